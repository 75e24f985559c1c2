// What people see and can do, by their rights.

import assert from 'node:assert/strict'
import { arrive, end, fillLogin, heading, logIn, makeUser, rest, step, visitor } from './browser.mjs'

const [owner, auditor, nobody] = [
  await makeUser('owner', ['manage_own_api_key']),
  await makeUser('auditor', ['read_security', 'monitor']),
  await makeUser('nobody', [])
]
const foreign = await rest('POST', '/_security/api_key', { name: 'of-the-super-user' })

/** The names of the links in the menu. */
async function menu (page) {
  return page.getByRole('navigation', { name: 'Console' }).getByRole('link').allInnerTexts()
}

/** What can be sent or opened to change something. */
async function actions (page) {
  const main = page.getByRole('main')
  const found = await Promise.all(['button', 'link', 'checkbox'].map(role =>
    main.getByRole(role, { name: /revoke|rotate|new key|select/i }).count()))
  return found.reduce((sum, count) => sum + count)
}

/** The token of the forms of a session. */
async function token (page) {
  return page.locator('input[name=token]').first().inputValue()
}

await step('who manages the own keys makes one, sees it alone and revokes it', async () => {
  const { page } = await visitor()
  await logIn(page, owner)
  assert.deepEqual(await menu(page), ['Keys', 'Me'])
  assert.equal(await page.getByText('of-the-super-user').count(), 0)
  await page.getByRole('link', { name: 'New key' }).click()
  await arrive(page, 'New key')
  await page.getByLabel('Name', { exact: true }).fill('own-key')
  await page.getByLabel(/^Labels/).fill('reader')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await arrive(page, 'The key is made')
  await page.goto('/console/keys')
  await page.getByRole('link', { name: 'own-key' }).click()
  await arrive(page, 'Key own-key')
  await page.getByRole('button', { name: 'Revoke…' }).click()
  await arrive(page, 'Revoke keys')
  await page.getByRole('button', { name: 'Revoke it now' }).click()
  await arrive(page, 'Revoked')
  await page.getByText('1 key revoked.').waitFor()
  const found = await rest('POST', '/_security/_query/api_key', { query: { term: { name: 'own-key' } } })
  assert.equal(found.api_keys[0].invalidated, true)
})

await step('who manages the own keys gets no page of others and revokes none of theirs', async () => {
  const { page, context } = await visitor()
  await logIn(page, owner)
  for (const [path, status] of [['/edges', 403], ['/audit', 403], [`/key?id=${foreign.id}`, 404], [`/revoke?id=${foreign.id}`, 404]]) {
    const answer = await page.goto(`/console${path}`)
    assert.equal(answer.status(), status, path)
    assert.doesNotMatch(await page.content(), /of-the-super-user/, path)
  }
  await page.goto('/console/keys')
  const form = { token: await token(page), id: foreign.id }
  const answer = await context.request.post('/console/revoke', { form })
  assert.match(await answer.text(), /No key was revoked|not allowed/i)
  const shown = await rest('GET', `/_security/api_key?id=${foreign.id}`)
  assert.equal(shown.api_keys[0].invalidated, false)
})

await step('who only reads sees every key and no button that changes one', async () => {
  const { page, context } = await visitor()
  await logIn(page, auditor)
  assert.deepEqual((await menu(page)).slice(0, 2), ['Keys', 'Edges'])
  await page.getByRole('link', { name: 'of-the-super-user' }).waitFor()
  assert.equal(await actions(page), 0)
  const form = { token: await token(page), id: foreign.id, name: 'made-anyway', life: '1d', rights: 'labels', labels: 'x' }
  await page.getByRole('link', { name: 'of-the-super-user' }).click()
  await arrive(page, 'Key of-the-super-user')
  assert.equal(await actions(page), 0)
  assert.equal((await page.goto('/console/keys/new')).status(), 403)
  for (const path of ['/console/keys/new', '/console/revoke', '/console/key/rotate']) {
    const answer = await context.request.post(path, { form: { ...form, ticket: path } })
    assert.ok([400, 403].includes(answer.status()), `${path}: ${answer.status()}`)
  }
  const shown = await rest('GET', `/_security/api_key?id=${foreign.id}`)
  assert.equal(shown.api_keys[0].invalidated, false)
  assert.equal((await rest('POST', '/_security/_query/api_key', { query: { term: { name: 'made-anyway' } } })).total, 0)
})

await step('who has no right is told so, and still sees who they are', async () => {
  const { page } = await visitor()
  await page.goto('/console/me')
  await fillLogin(page, nobody)
  await arrive(page, 'Me')
  assert.deepEqual(await menu(page), ['Me'])
  assert.equal((await page.goto('/console/keys')).status(), 403)
  assert.equal(await heading(page), 'Not allowed')
})

await end()
