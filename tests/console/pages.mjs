// That everybody can use every page: in both colour schemes, on a small window, on a slow line and without a script.

import assert from 'node:assert/strict'
import { arrive, axe, elastic, end, fillLogin, logIn, makeUser, picture, rest, step, tell, visitor } from './browser.mjs'
import { Edge, feedCredential } from './edge.mjs'
import { furnish } from './furniture.mjs'

/** Most bytes of a page, with its stylesheet and its script. */
const WEIGHT_MAX = 100 * 1024

/** The narrowest window, in pixels. */
const NARROW = { width: 360, height: 740 }
const WIDE = { width: 1280, height: 900 }

/** A window of 4k, without a scale of its own. */
const WIDEST = { width: 3840, height: 2160 }

/** The longest line of running text and the widest field or bar, in pixels: what an eye follows. */
const LINE_MAX = 820
const FIELD_MAX = 1_220

const { key, edges } = await furnish()
const { page, context } = await visitor({ reducedMotion: 'reduce' })

/** Bytes of a stylesheet or script, as it is before it is packed for the way. */
async function lengthOf (address) {
  return (await (await context.request.get(address)).body()).length
}

async function isForEverybody (what) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    for (const viewport of [WIDE, NARROW]) {
      await page.setViewportSize(viewport)
      const { violations } = await page.evaluate(`${axe.source}; axe.run()`)
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
      assert.deepEqual(found, [], `${what}, ${colorScheme}, ${viewport.width} pixels`)
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(width <= viewport.width, `${what} is ${width} pixels wide on a window of ${viewport.width}`)
    }
  }
}

/** Lines of text that are too long to read, and parts that are stretched, on the widest window. */
async function isReadable (what) {
  await page.setViewportSize(WIDEST)
  const tooWide = await page.evaluate(([lineMax, fieldMax]) => {
    const texts = [...document.querySelectorAll('main :is(p, li, dd, figcaption, legend, label)')]
    const line = element => {
      const range = document.createRange()
      range.selectNodeContents(element)
      return Math.max(0, ...[...range.getClientRects()].map(({ width }) => width))
    }
    const fields = [...document.querySelectorAll('main :is(input, select, textarea, button, progress, svg, .copy)')]
    return [
      ...texts.filter(element => line(element) > lineMax),
      ...fields.filter(element => element.getBoundingClientRect().width > fieldMax)
    ].map(element => element.outerHTML)
  }, [LINE_MAX, FIELD_MAX])
  assert.deepEqual(tooWide, [], `${what} on a window of ${WIDEST.width}`)
  const width = await page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(width <= WIDEST.width, `${what} is ${width} pixels wide on a window of ${WIDEST.width}`)
  await picture(page, `widest-${what.replaceAll(' ', '-')}`)
}

async function isLight (what) {
  const html = Buffer.byteLength(await page.content())
  const parts = await page.evaluate(() => [...document.querySelectorAll('link[rel=stylesheet], script[src]')].map(part => part.href || part.src))
  assert.ok(parts.length >= 2, `${what} has ${parts}`)
  const lengths = await Promise.all(parts.map(lengthOf))
  const sum = lengths.reduce((sum, length) => sum + length, html)
  assert.ok(sum < WEIGHT_MAX, `${what} is ${sum} bytes: ${html}, ${lengths}`)
}

async function isGood (what) {
  assert.match(await page.title(), / · Latchkey$/)
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1, what)
  await isForEverybody(what)
  await isReadable(what)
  await isLight(what)
}

await step('the log-in is for everybody, also after a mistake', async () => {
  await page.goto('/console')
  await isGood('the log-in')
  await page.getByText('Log in with an API key or a token').click()
  await fillLogin(page, { ...elastic, password: 'wrong' })
  await page.getByRole('alert').waitFor()
  await isGood('the log-in after a mistake')
  await fillLogin(page, elastic)
  await arrive(page, 'Keys')
})

const id = encodeURIComponent(key.id)
for (const [what, path, heading] of [
  ['the list of keys', '/keys', 'Keys'],
  ['a search that finds nothing', '/keys?q=no-such-key&status=active&sort=name', 'Keys'],
  ['the form of a new key', '/keys/new', 'New key'],
  ['the page of a key', `/key?id=${id}`, 'Key checkout'],
  ['the form that rotates a key', `/key/rotate?id=${id}`, 'Rotate checkout'],
  ['the question before a revocation', `/revoke?id=${id}`, 'Revoke keys'],
  ['the list of edges', '/edges', 'Edges'],
  ['a list of edges without one', '/edges?q=no-such-edge', 'Edges'],
  ['the audit log', '/audit', 'Audit log'],
  ['an audit log without a line', '/audit?actor=no-such-user', 'Audit log'],
  ['an audit log that is asked for an action that is none', '/audit?action=revoke', 'Audit log'],
  ['the page about oneself', '/me', 'Me'],
  ['a page that is not there', '/no-such-page', 'Not found']
]) {
  await step(`${what} is for everybody`, async () => {
    await page.goto(`/console${path}`)
    await arrive(page, heading)
    await isGood(what)
  })
}

await step('a form with mistakes says them at their places, to everybody', async () => {
  await page.goto('/console/keys/new')
  await page.getByLabel('Name', { exact: true }).fill(' ')
  await page.getByRole('radio', { name: 'another time' }).check()
  await page.getByRole('textbox', { name: 'Another time' }).fill('soon')
  await page.getByText('Metadata').click()
  await page.getByLabel('A JSON object that is kept with the key').fill('[1]')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await page.getByText('Say a whole number above 0 and a unit').waitFor()
  await page.getByText('Give the key a name').waitFor()
  const name = page.getByLabel('Name', { exact: true })
  assert.equal(await name.getAttribute('aria-invalid'), 'true')
  await isGood('a form with mistakes')
})

await step('the page with the secret is for everybody', async () => {
  await page.getByLabel('Name', { exact: true }).fill('shown-once')
  await page.getByRole('textbox', { name: 'Another time' }).fill('')
  await page.getByLabel('7 days').check()
  await page.getByLabel('A JSON object that is kept with the key').fill('{"team": "orders"}')
  await page.getByLabel(/^Labels/).fill('reader')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await arrive(page, 'The key is made')
  tell({ encoded: await page.locator('#credential').innerText() })
  await isGood('the page with the secret')
})

await step('the secret is copied with a button', async () => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy the credential' }).click()
  await page.getByText('Copied.').waitFor({ state: 'attached' })
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  assert.equal(copied, await page.locator('#credential').innerText())
})

await step('a privilege that nobody has stored is asked about, by a page for everybody', async () => {
  await page.goto('/console/keys/new')
  await page.getByLabel('Name', { exact: true }).fill('mistyped')
  await page.getByRole('radio', { name: 'Privileges of an application' }).check()
  await page.getByLabel('Application', { exact: true }).fill('shop')
  await page.getByLabel('Privileges', { exact: true }).fill('raed')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await page.getByText('No such privilege is stored: raed of shop.').waitFor()
  await isGood('a question about a privilege')
  await page.getByLabel('Make the key with privileges that are not stored').check()
  await page.getByRole('button', { name: 'Make the key' }).click()
  await arrive(page, 'The key is made')
  tell({ encoded: await page.locator('#credential').innerText() })
})

await step('a revocation under way is for everybody, and so is one that has ended', async () => {
  await page.goto(`/console/revoke?id=${id}`)
  await page.getByRole('button', { name: 'Revoke it now' }).click()
  await page.getByText(/^0 of \d+ edges refuse it/).waitFor()
  await isGood('a revocation under way')
  for (const edge of edges) await edge.apply()
  await page.getByText(/^Every edge refuses it/).waitFor()
  await isGood('a revocation that has ended')
})

await step('somebody without rights has a page for everybody too', async () => {
  const nobody = await makeUser('nobody', [])
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.goto('/console/me')
  await fillLogin(page, nobody)
  await arrive(page, 'Me')
  await isGood('the page about somebody without rights')
  await page.goto('/console/keys')
  await isGood('a page that is not allowed')
})

await step('a keyboard is enough to log in', async () => {
  const { page } = await visitor()
  await page.goto('/console')
  // A browser gives a field its focus a moment after the page has loaded.
  await page.locator('#username:focus').waitFor()
  await page.keyboard.type(elastic.username)
  await page.keyboard.press('Tab')
  await page.keyboard.type(elastic.password)
  await page.keyboard.press('Enter')
  await arrive(page, 'Keys')
  await page.keyboard.press('Tab')
  await page.locator(':focus', { hasText: 'Skip to the page' }).waitFor()
})

await step('without a script a key is made, shown, searched, rotated and seen to end', async () => {
  const { page } = await visitor({ javaScriptEnabled: false })
  await logIn(page)
  await page.getByRole('link', { name: 'New key' }).click()
  await page.getByLabel('Name', { exact: true }).fill('without-a-script')
  await page.getByLabel(/^Labels/).fill('reader')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await arrive(page, 'The key is made')
  tell({ encoded: await page.locator('#credential').innerText() })
  assert.equal(await page.getByRole('button', { name: /^Copy/ }).count(), 0, 'a button that does nothing')
  await page.getByRole('link', { name: 'To the keys' }).click()
  await page.getByRole('searchbox').fill('without-a')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByText('1 key found').waitFor()
  await page.getByRole('link', { name: 'without-a-script' }).click()
  await page.getByRole('button', { name: 'Rotate…' }).click()
  await page.getByRole('button', { name: 'Rotate the key' }).click()
  await arrive(page, 'The key has a new secret')
  tell({ encoded: await page.locator('#credential').innerText() })
  await page.goto('/console/keys?q=without-a-script')
  await page.getByRole('link', { name: 'Select all on this page' }).click()
  assert.ok(await page.getByLabel('Select without-a-script').isChecked())
  await page.getByRole('link', { name: 'Select none' }).click()
  assert.ok(!await page.getByLabel('Select without-a-script').isChecked())
  await page.getByLabel('Select without-a-script').check()
  await page.getByRole('button', { name: 'Revoke the selected keys…' }).click()
  await page.getByRole('button', { name: 'Revoke it now' }).click()
  await page.getByText(/^0 of \d+ edges refuse it/).waitFor()
  for (const edge of edges) await edge.apply()
  // The page loads itself anew.
  await page.getByText(/^Every edge refuses it/).waitFor()
  for (const path of ['/edges', '/audit', '/me']) {
    assert.equal((await page.goto(`/console${path}`)).status(), 200, path)
  }
})

await step('with a script all keys of a page are selected where one is, and none', async () => {
  const { page } = await visitor()
  await logIn(page)
  const boxes = page.getByRole('checkbox')
  const checked = () => boxes.evaluateAll(boxes => boxes.filter(box => box.checked).length)
  const count = await boxes.count()
  assert.ok(count > 1)
  await page.getByRole('link', { name: 'Select all on this page' }).click()
  assert.equal(await checked(), count)
  await page.getByRole('link', { name: 'Select none' }).click()
  assert.equal(await checked(), 0)
  assert.match(page.url(), /\/console\/keys$/)
})

await step('a new edge and a new change appear by themselves', async () => {
  const { page } = await visitor()
  await logIn(page)
  await page.goto('/console/edges')
  const live = page.getByRole('listitem').filter({ hasText: /live$/ })
  const before = await live.innerText()
  await new Edge(await feedCredential(), 'newcomer').apply()
  await page.getByRole('listitem').filter({ hasText: /live$/ }).filter({ hasNotText: before }).waitFor()
  await page.goto('/console/audit')
  const { id } = await rest('POST', '/_security/api_key', { name: 'while-somebody-looks' })
  await page.getByRole('row').filter({ hasText: id }).waitFor()
})

await end()
