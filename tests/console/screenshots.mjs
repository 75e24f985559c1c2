// The pictures of the pages for the documentation.

import { setTimeout } from 'node:timers/promises'
import { arrive, end, logIn, picture, rest, step, visitor } from './browser.mjs'
import { furnish } from './furniture.mjs'

const { key, edges } = await furnish()
const { page } = await visitor({ viewport: { width: 1280, height: 800 } })

async function pictures (name, heading) {
  await arrive(page, heading)
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await picture(page, `${name}-${colorScheme}`)
  }
}

await step('the log-in has its pictures', async () => {
  await page.goto('/console')
  await pictures('login', 'Log in')
})

await step('what edges have counted is written, so that pictures show it', async () => {
  const uses = async () => (await rest('GET', `/_security/api_key?id=${encodeURIComponent(key.id)}`)).api_keys[0].uses
  while (!await uses()) await setTimeout(200)
})

await logIn(page)
for (const [name, path, heading] of [
  ['keys', '/keys', 'Keys'],
  ['new-key', '/keys/new', 'New key'],
  ['key', `/key?id=${encodeURIComponent(key.id)}`, 'Key checkout'],
  ['edges', '/edges', 'Edges'],
  ['audit', '/audit', 'Audit log']
]) {
  await step(`${heading} has its pictures`, async () => {
    await page.goto(`/console${path}`)
    await pictures(name, heading)
  })
}

await step('a revocation has its pictures', async () => {
  await page.goto(`/console/revoke?id=${encodeURIComponent(key.id)}`)
  await page.getByRole('button', { name: 'Revoke it now' }).click()
  for (const edge of edges.slice(1)) await edge.apply()
  await page.getByText(/^5 of 6 edges refuse it/).waitFor()
  await pictures('revocation', 'Revocation')
})

await end()
