// Who gets in, and how one leaves.

import assert from 'node:assert/strict'
import { arrive, elastic, end, fillLogin, heading, logIn, makeUser, rest, step, url, visitor } from './browser.mjs'

const COOKIE = 'latchkey_console'

const { page, context } = await visitor()

/** The name of the session, as the browser has it. */
async function session () {
  return (await context.cookies()).find(cookie => cookie.name === COOKIE)
}

/** How many keys have this name. */
async function keysNamed (name) {
  return (await rest('POST', '/_security/_query/api_key', { query: { term: { name } } })).total
}

await step('nobody sees a page without a log-in', async () => {
  for (const path of ['', '/keys', '/keys/new', '/edges', '/audit', '/me', '/watch?change=1&epoch=e']) {
    await page.goto(`/console${path}`)
    assert.equal(await heading(page), 'Log in', path)
  }
})

await step('a wrong password is refused, and the user name stays in the form', async () => {
  await fillLogin(page, { ...elastic, password: 'wrong password' })
  await page.getByRole('alert').getByText('Wrong user, password, key or token').waitFor()
  assert.equal(await page.getByLabel('User', { exact: true }).inputValue(), elastic.username)
  assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '')
  assert.equal(await session(), undefined)
})

await step('a password lets in, to the page that was asked for', async () => {
  await page.goto('/console/me')
  await fillLogin(page, elastic)
  await arrive(page, 'Me')
  await page.goto('/console')
  await arrive(page, 'Keys')
})

await step('no script reads the cookie, and no other site sends it', async () => {
  const { httpOnly, sameSite, path, expires } = await session()
  assert.deepEqual({ httpOnly, sameSite, path, expires }, { httpOnly: true, sameSite: 'Strict', path: '/', expires: -1 })
  assert.equal(await page.evaluate(() => document.cookie), '')
})

await step('a form without the token of its session does nothing', async () => {
  const form = { name: 'forged', life: '1d', rights: 'labels', labels: 'reader' }
  for (const token of [undefined, '', 'guessed']) {
    const answer = await context.request.post('/console/keys/new', { form: { ...form, ...(token !== undefined && { token }) } })
    assert.equal(answer.status(), 403)
    assert.match(await answer.text(), /This form does not belong to your session/)
  }
  assert.equal(await keysNamed('forged'), 0)
})

await step('a form of another site does nothing, whatever it knows', async () => {
  await page.goto('/console/keys/new')
  const token = await page.locator('input[name=token]').first().inputValue()
  const fields = Object.entries({ token, name: 'lured', life: '1d', rights: 'labels', labels: 'reader' })
  const inputs = fields.map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
  const other = await context.newPage()
  await other.route('http://evil.test/**', route => route.fulfill({
    contentType: 'text/html', body: `<form method="post" action="${url}/console/keys/new">${inputs}<button>Win</button></form>`
  }))
  await other.goto('http://evil.test/')
  const answered = other.waitForResponse(response => response.request().method() === 'POST')
  await other.getByRole('button').click()
  await answered
  assert.equal(await keysNamed('lured'), 0)
  await other.close()
  // The same as an older browser sends it, with the cookie.
  const form = Object.fromEntries(fields)
  const answer = await context.request.post('/console/keys/new', { form, headers: { origin: 'http://evil.test' } })
  assert.equal(answer.status(), 403)
  assert.equal(await keysNamed('lured'), 0)
})

await step('who logs out has no session left on the server', async () => {
  const kept = await context.cookies()
  await page.goto('/console')
  await page.getByRole('button', { name: 'Log out' }).click()
  await arrive(page, 'Log in')
  assert.equal(await session(), undefined)
  const thief = await visitor()
  await thief.context.addCookies(kept)
  await thief.page.goto('/console/keys')
  assert.equal(await heading(thief.page), 'Log in')
  await page.goBack()
  assert.equal(await heading(page), 'Log in', 'the way back shows the keys')
})

await step('a log-in gives the session a name that nobody has chosen', async () => {
  await context.addCookies([{ name: COOKIE, value: 'chosen-by-somebody', url, httpOnly: true }])
  await logIn(page)
  const { value } = await session()
  assert.notEqual(value, 'chosen-by-somebody')
  const again = await visitor()
  await logIn(again.page)
  assert.notEqual((await again.context.cookies())[0].value, value)
})

await step('an API key lets in as its owner, and what it may not do is not offered', async () => {
  const roles = { reader: { cluster: ['read_security'] } }
  const key = await rest('POST', '/_security/api_key', { name: 'of-a-person', role_descriptors: roles })
  for (const credential of [key.encoded, `${key.id}:${key.api_key}`, `ApiKey ${key.encoded}`]) {
    const { page } = await visitor()
    await page.goto('/console')
    await page.getByText('Log in with an API key or a token').click()
    await page.getByLabel('API key or token', { exact: true }).fill(credential)
    await page.getByRole('button', { name: 'Log in' }).click()
    await arrive(page, 'Keys')
    await page.getByText('elastic (by key of-a-person)').waitFor()
    assert.equal(await page.getByRole('link', { name: 'New key' }).count(), 0)
  }
  await rest('DELETE', '/_security/api_key', { ids: [key.id] })
})

await step('a session ends when its password is changed, and says so', async () => {
  const alice = await makeUser('alice', ['manage_own_api_key'])
  const { page } = await visitor()
  await logIn(page, alice)
  await rest('POST', '/_security/user/alice/_password', { password: 'another password' })
  await page.reload()
  await arrive(page, 'Log in')
  await page.getByText('Your log-in is not valid any more').waitFor()
  await fillLogin(page, { ...alice, password: 'another password' })
  await arrive(page, 'Keys')
})

await step('people also get in where the browser does not trust the address', async () => {
  // Plain HTTP to another name than the machine's own: browsers say less there of where a form is from.
  const { page } = await visitor({ baseURL: url.replace('127.0.0.1', 'console.test') })
  await logIn(page)
  await page.getByRole('button', { name: 'Log out' }).click()
  await arrive(page, 'Log in')
})

await end()
