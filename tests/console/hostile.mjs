// Names that somebody chose to do harm.

import assert from 'node:assert/strict'
import { arrive, basic, end, heading, logIn, makeUser, rest, step, visitor } from './browser.mjs'

const NAMES = [
  '<img src=x onerror="harm=1">',
  '"><script>harm=1</script>',
  '</title></textarea></style></script><script>harm=1</script>',
  '\' onmouseover=\'harm=1\' x=\'" autofocus onfocus="harm=1',
  'javascript:harm=1',
  '{{7*7}} ${7*7} <%= 7*7 %>',
  '&lt;b&gt;&amp;',
  // The first turns the direction of what follows; the second is a word that is written from the right.
  'gpj.\u202eexe.revoke',
  '\u0645\u0641\u062a\u0627\u062d',
  'a\r\nb\tc\u0000d',
  '\u{1f511}'.repeat(128),
  'x'.repeat(256)
]

const { page } = await visitor()

/** A name as HTML can show it: it has no null, and one kind of line end (HTML standard, section Parsing). */
const shown = name => name.replaceAll('\r\n', '\n').replaceAll('\u0000', '')

/** What a script would have left. */
async function harm () {
  return page.evaluate(() => globalThis.harm)
}

/** How wide the page is, on a window of 360 pixels. */
async function width () {
  await page.setViewportSize({ width: 360, height: 740 })
  return page.evaluate(() => document.documentElement.scrollWidth)
}

const made = []
await step('keys with such names are made', async () => {
  for (const name of NAMES) {
    const metadata = { [name.slice(0, 40)]: name }
    // Names of roles are plain text, and say as little good.
    const role = /^[!-~](?:[ -~]*[!-~])?$/.test(name) ? name : 'reader'
    made.push(await rest('POST', '/_security/api_key', { name, metadata, role_descriptors: { [role]: {} } }))
  }
})

await step('each name stands as text in the list and on the page of its key', async () => {
  await logIn(page)
  for (const { id, name } of made) {
    const row = page.getByRole('row').filter({ has: page.locator(`a[href*="${id}"]`) })
    assert.equal(await row.locator(`a[href*="${id}"]`).first().textContent(), shown(name))
  }
  assert.equal(await harm(), undefined)
  for (const { id, name } of made) {
    await page.goto(`/console/key?id=${id}`)
    assert.ok((await page.getByRole('main').textContent()).includes(shown(name)), name)
    assert.equal(await harm(), undefined, name)
    assert.equal(await width(), 360, name)
  }
})

await step('a long name is cut in the list and whole on the page of its key', async () => {
  const { id, name } = made.at(-1)
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.goto('/console/keys')
  const isCut = element => element.scrollWidth > element.clientWidth
  const link = page.locator(`a[href*="${id}"]`).first()
  assert.ok(await link.evaluate(isCut))
  assert.equal(await link.getAttribute('title'), name)
  await page.goto(`/console/key?id=${id}`)
  const heading = page.getByRole('heading', { level: 1, name })
  assert.ok(!await heading.evaluate(isCut))
})

await step('a name that is written from the right moves nothing around it', async () => {
  await page.goto('/console/keys')
  const loose = await page.evaluate(() => {
    const isIsolated = element => ['isolate', 'isolate-override', 'plaintext'].includes(getComputedStyle(element).unicodeBidi)
    return [...document.querySelectorAll('main a[href*="/console/key?"]')].filter(link => ![link, ...link.children, link.parentElement].some(isIsolated)).length
  })
  assert.equal(loose, 0)
})

await step('a search for such a name finds it and shows it as text', async () => {
  for (const name of NAMES.slice(0, 6)) {
    await page.goto('/console/keys')
    await page.getByRole('searchbox').fill(name)
    await page.getByRole('searchbox').press('Enter')
    await page.waitForURL(/q=/)
    assert.equal(await page.getByRole('searchbox').inputValue(), name)
    assert.equal(await page.getByRole('link', { name }).count(), 1, name)
    assert.equal(await harm(), undefined, name)
  }
})

await step('an address says nothing that the page believes', async () => {
  const harmful = encodeURIComponent('"><script>harm=1</script>')
  for (const path of [
    `/keys?q=${harmful}&owner=${harmful}&status=${harmful}&sort=${harmful}&after=${harmful}`,
    `/key?id=${harmful}`, `/revoke?id=${harmful}`, `/watch?epoch=${harmful}&change=1&id=${harmful}`,
    `/edges?q=${harmful}&from=${harmful}`, `/audit?key=${harmful}&actor=${harmful}&action=${harmful}`, `/${harmful}`
  ]) {
    await page.goto(`/console${path}`)
    assert.notEqual(await heading(page), '', path)
    assert.equal(await harm(), undefined, path)
  }
})

await step('such names are shown once more before the keys are revoked, and in the audit log after', async () => {
  await page.goto(`/console/revoke?${made.map(({ id }) => `id=${id}`).join('&')}`)
  for (const { name } of made) assert.ok((await page.getByRole('main').textContent()).includes(shown(name)), name)
  await page.getByRole('button', { name: /^Revoke .* now$/ }).click()
  await arrive(page, 'Revocation')
  assert.equal(await harm(), undefined)
  await page.goto('/console/audit')
  assert.equal(await width(), 360)
  assert.equal(await harm(), undefined)
})

await step('what a user of such a name does appears as text, while somebody looks', async () => {
  const username = '<img/src=x/onerror="harm=1">'
  const user = await makeUser(username, ['manage_own_api_key'])
  await page.goto('/console/audit')
  const { id } = await rest('POST', '/_security/api_key', { name: 'of-a-hostile-user' }, basic(user))
  const line = page.getByRole('row').filter({ hasText: id })
  await line.waitFor()
  assert.ok((await line.textContent()).includes(username))
  assert.equal(await harm(), undefined)
})

await step('who logs in with a key of such a name is greeted with it as text', async () => {
  const [, { encoded, name }] = await Promise.all(NAMES.slice(0, 2).map(name => rest('POST', '/_security/api_key', { name })))
  const { page } = await visitor()
  await page.goto('/console/me')
  await page.getByText('Log in with an API key or a token').click()
  await page.getByLabel('API key or token', { exact: true }).fill(encoded)
  await page.getByRole('button', { name: 'Log in' }).click()
  await arrive(page, 'Me')
  assert.ok((await page.getByRole('banner').textContent()).includes(name))
  assert.equal(await page.evaluate(() => globalThis.harm), undefined)
})

await end()
