// A thousand edges.

import assert from 'node:assert/strict'
import { Edge, feedCredential } from './edge.mjs'
import { arrive, axe, end, logIn, rest, step, visitor } from './browser.mjs'

const EDGES = 1_000

/** How many edges ask at once. */
const AT_ONCE = 20

const credential = await feedCredential()
const edges = Array.from({ length: EDGES }, (_, number) => new Edge(credential, `gateway-${String(number).padStart(4, '0')}`))

async function all (edges, act) {
  const waiting = [...edges]
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let edge = waiting.pop(); edge; edge = waiting.pop()) await act(edge)
  }))
}

const { page } = await visitor()

/** A number with its digits in groups, as pages have it. */
const number = count => String(count).replace(/(?=(\d{3})+$)\B/g, '\u202f')

/** How many edges are counted in this way. */
async function counted (word) {
  const figure = page.getByRole('listitem').filter({ hasText: new RegExp(`^[\\d\\u202f]+ ${word}$`) })
  return (await figure.innerText()).split(/\s+(?=[a-z])/)[0].trim()
}

await step('a thousand edges are counted, and a hundred of them are on a page', async () => {
  await all(edges, edge => edge.apply())
  await logIn(page)
  await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Edges' }).click()
  await arrive(page, 'Edges')
  assert.equal(await counted('live'), number(EDGES))
  assert.equal(await counted('known'), number(EDGES))
  assert.equal(await page.getByRole('rowheader').count(), 100)
})

await step('every edge is on one of ten pages', async () => {
  const seen = new Set()
  for (let pages = 1; ; pages++) {
    for (const name of await page.getByRole('rowheader').locator('bdi').allInnerTexts()) seen.add(name)
    const next = page.getByRole('link', { name: 'Next page' })
    if (await next.count() === 0) {
      assert.equal(pages, 10)
      break
    }
    const before = page.url()
    await next.click()
    await page.waitForURL(url => url.href !== before)
  }
  assert.equal(seen.size, EDGES)
})

await step('one edge is found among them', async () => {
  await page.getByRole('searchbox', { name: 'Name' }).fill('gateway-0777')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.waitForURL(/q=gateway-0777/)
  assert.deepEqual(await page.getByRole('rowheader').locator('bdi').allInnerTexts(), ['gateway-0777'])
})

await step('the page of a thousand edges is for everybody and fits a small window', async () => {
  await page.goto('/console/edges')
  const { violations } = await page.evaluate(`${axe.source}; axe.run()`)
  assert.deepEqual(violations.map(({ id }) => id), [])
  await page.setViewportSize({ width: 360, height: 740 })
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360)
})

await step('a revocation is seen to reach a thousand edges, one after the other', async () => {
  const { id } = await rest('POST', '/_security/api_key', { name: 'everywhere' })
  await all(edges, edge => edge.apply())
  await page.goto(`/console/revoke?id=${id}`)
  await page.getByRole('button', { name: 'Revoke it now' }).click()
  await arrive(page, 'Revocation')
  const status = page.getByRole('status')
  await status.getByText(`0 of ${number(EDGES)} edges refuse it.`).waitFor()
  await all(edges.slice(0, EDGES / 2), edge => edge.apply())
  await status.getByText(`${EDGES / 2} of ${number(EDGES)} edges refuse it.`).waitFor()
  await all(edges, edge => edge.apply())
  await status.getByText(`Every edge refuses it: ${number(EDGES)} edges.`).waitFor()
})

await end()
