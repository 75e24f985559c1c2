// A key from its making to its end, as the person sees it who makes and revokes it: with real edges, of which one is lost.

import assert from 'node:assert/strict'
import { arrive, end, logIn, picture, step, tell, visitor } from './browser.mjs'

const { LATCHKEY_EDGE, LATCHKEY_LOST_EDGE, LATCHKEY_LOST_EDGE_PROCESS } = process.env

/** How long until an edge that does not ask any more counts as silent, in milliseconds: `edges.live_for`, and some time. */
const SILENT_AFTER = 150_000

/** What an edge answers to whoever has this credential. */
async function answer (edge, credential) {
  return (await fetch(edge, { headers: { authorization: `ApiKey ${credential}` } })).status
}

/** Waits until an edge answers so. */
async function until (edge, credential, status) {
  while (await answer(edge, credential) !== status) await new Promise(resolve => setTimeout(resolve, 20))
}

const { page } = await visitor()
const status = page.getByRole('status')
const edge = name => page.getByRole('list', { name: 'Edges' }).getByRole('listitem').filter({ hasText: name })

/** Makes a key by the form. Gives the page's text of its credential. */
async function make (name) {
  await page.goto('/console')
  await page.getByRole('link', { name: 'New key' }).click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('1 day').check()
  await page.getByLabel(/^Labels/).fill('reader, writer')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await arrive(page, 'The key is made')
  const encoded = await page.getByRole('region', { name: 'Credential' }).locator('#credential').innerText()
  tell({ encoded })
  return encoded
}

/** Revokes a key from the list. */
async function revoke (name) {
  await page.goto('/console')
  await page.getByLabel(`Select ${name}`).check()
  await page.getByRole('button', { name: 'Revoke the selected keys…' }).click()
  await arrive(page, 'Revoke keys')
  await page.getByText('will stop at every connected edge within milliseconds').waitFor()
  await page.getByRole('button', { name: 'Revoke it now' }).click()
  await arrive(page, 'Revocation')
}

let credential

await step('a key is made with a form, and every edge admits it', async () => {
  await logIn(page)
  credential = await make('checkout')
  await until(LATCHKEY_EDGE, credential, 200)
  await until(LATCHKEY_LOST_EDGE, credential, 200)
})

await step('its secret is shown this once', async () => {
  const secret = Buffer.from(credential, 'base64').toString().split(':')[1]
  assert.ok((await page.content()).includes(secret))
  await page.goto('/console/keys')
  await page.getByRole('link', { name: 'checkout' }).click()
  await arrive(page, 'Key checkout')
  assert.ok(!(await page.content()).includes(secret))
  await page.goBack()
  // The browser has kept no page with a secret. It would have to make the key once more.
  await assert.rejects(page.goBack(), /ERR_CACHE_MISS/)
  await page.waitForURL('chrome-error://chromewebdata/')
})

await step('it is revoked, and every edge is seen to turn without a reload', async () => {
  await revoke('checkout')
  await status.getByText(/^Every edge refuses it: 2 edges\./).waitFor()
  await edge('local-edge').getByText('refuses it').waitFor()
  await edge('edge-that-is-lost').getByText('refuses it').waitFor()
  assert.equal(await answer(LATCHKEY_EDGE, credential), 401)
  assert.equal(await answer(LATCHKEY_LOST_EDGE, credential), 401)
  await picture(page, 'revocation')
})

await step('the list shows that it is revoked', async () => {
  await page.goto('/console/keys?status=revoked')
  await page.getByRole('row', { name: /checkout/ }).getByText('revoked').waitFor()
})

await step('an edge that is lost is not said to refuse a key', async () => {
  credential = await make('payments')
  await until(LATCHKEY_EDGE, credential, 200)
  await until(LATCHKEY_LOST_EDGE, credential, 200)
  process.kill(Number(LATCHKEY_LOST_EDGE_PROCESS), 'SIGKILL')
  await revoke('payments')
  await edge('local-edge').getByText('refuses it').waitFor()
  await status.getByText(/^1 of 2 edges refuse it\./).waitFor()
  await edge('edge-that-is-lost').getByText('no answer yet').waitFor()
  assert.equal(await answer(LATCHKEY_EDGE, credential), 401)
})

await step('an edge that is lost is shown with the time until which it may admit', async () => {
  await edge('edge-that-is-lost').getByText(/silent, .*may admit until \d{4}-\d\d-\d\dT[\d:]+Z/).waitFor({ timeout: SILENT_AFTER })
  await status.getByText(/^1 of 2 edges refuse it\. An edge that is silent may admit it until .* at the latest\./).waitFor()
  await picture(page, 'lost-edge')
  await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Edges' }).click()
  const row = page.getByRole('row', { name: /edge-that-is-lost/ })
  await row.getByText('silent').waitFor()
  await row.getByText(/may admit until/).waitFor()
})

await end()
