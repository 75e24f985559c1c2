// What every scenario begins with: a browser, visitors of the console, and words for what must happen.

import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename } from 'node:path'

const { LATCHKEY_ANSWERS, LATCHKEY_BROWSER, LATCHKEY_PASSWORD, LATCHKEY_SCREENSHOTS, LATCHKEY_URL } = process.env

/** How long a busy machine may take, in milliseconds, until something is taken for missing. */
const PATIENCE = 60_000

/** What is shown of a page on which a step failed, in characters. */
const SHOWN_LEN = 4_000

// Neither is beside this file.
const require = createRequire(`${LATCHKEY_BROWSER}/node/`)
const { chromium } = require('playwright-core')
export const axe = require('axe-core')

export const url = LATCHKEY_URL
export const elastic = { username: 'elastic', password: LATCHKEY_PASSWORD }

// Chromium's own sandbox does not start as root in a container, where tests often run. What it opens is only the
// console under test. The last argument gives the console a second name, which is not the machine's own.
const browser = await chromium.launch({
  executablePath: `${LATCHKEY_BROWSER}/chromium`,
  chromiumSandbox: false,
  args: ['--host-resolver-rules=MAP console.test 127.0.0.1']
})

const visitors = []

/** Somebody with a browser of their own: a page, its cookies, and all that went wrong in it. */
export async function visitor (options = {}) {
  const context = await browser.newContext({ baseURL: url, ...options })
  context.setDefaultTimeout(PATIENCE)
  const page = await context.newPage()
  const troubles = []
  const home = new URL(options.baseURL ?? url).host
  page.on('pageerror', error => troubles.push(`the script has failed: ${error}`))
  page.on('dialog', dialog => { troubles.push(`a script of somebody else runs: ${dialog.message()}`); dialog.dismiss() })
  page.on('request', request => {
    const { host, protocol } = new URL(request.url())
    if (host !== home || protocol === 'data:') troubles.push(`a page asks elsewhere: ${request.url()}`)
  })
  page.on('response', response => {
    const isPart = response.request().resourceType() !== 'document'
    if (isPart && response.status() >= 400) troubles.push(`${response.url()} is answered with ${response.status()}`)
  })
  page.on('console', message => {
    // A page with another status than 200 is told so too, and the parts of a page are looked at above.
    const isStatus = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !isStatus) troubles.push(message.text())
  })
  const found = { context, page, troubles }
  visitors.push(found)
  return found
}

/** Tells the sentence once everything in the block held, and no page of anybody had trouble. */
export async function step (sentence, block) {
  try {
    await block()
    for (const { page, troubles } of visitors) assert.deepEqual(troubles, [], page.url())
  } catch (error) {
    console.error(`It does not hold that ${sentence}.`)
    for (const { page } of visitors) await describe(page)
    throw error
  }
  console.log(sentence)
}

async function describe (page) {
  if (page.isClosed()) return
  const seen = await page.locator('body').ariaSnapshot().catch(error => error.message)
  console.error(`\n${page.url()}\n${seen.slice(0, SHOWN_LEN)}`)
  await picture(page, `failed-${basename(process.argv[1], '.mjs')}-${visitors.findIndex(visitor => visitor.page === page)}`)
}

/** A picture of the page, where pictures are asked for. */
export async function picture (page, name, options = {}) {
  if (!LATCHKEY_SCREENSHOTS) return
  mkdirSync(LATCHKEY_SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: `${LATCHKEY_SCREENSHOTS}/${name}.png`, animations: 'disabled', ...options })
}

/** Ends the browser, so that the scenario ends too. */
export async function end () {
  await browser.close()
}

/** From now on nothing else may show these secrets. */
export function tell (secrets) {
  appendFileSync(LATCHKEY_ANSWERS, `${JSON.stringify(secrets)}\n`)
}

function basic ({ username, password }) {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Asks the REST interface, as the super-user or with this value of `Authorization`. */
export async function rest (method, path, body, authorization = basic(elastic)) {
  const headers = { authorization, ...(body && { 'content-type': 'application/json' }) }
  const response = await fetch(new URL(path, url), { method, headers, body: body && JSON.stringify(body) })
  const answer = await response.json()
  tell(answer)
  assert.equal(response.status, 200, JSON.stringify(answer))
  return answer
}

/** Makes a user with a role of these privileges. */
export async function makeUser (username, cluster, more = {}) {
  const password = `password of ${username}`
  tell({ password })
  await rest('PUT', `/_security/role/role-of-${username}`, { cluster, ...more })
  await rest('PUT', `/_security/user/${username}`, { password, roles: [`role-of-${username}`] })
  return { username, password }
}

/** The heading of a page, which says where one is. */
export async function heading (page) {
  return page.getByRole('heading', { level: 1 }).innerText()
}

/** Waits until one is at the page with this heading. */
export async function arrive (page, name) {
  await page.getByRole('heading', { level: 1, name }).waitFor()
}

/** Says who one is, in the form that is open. */
export async function fillLogin (page, { username, password }) {
  await page.getByLabel('User', { exact: true }).fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** Logs in from the beginning. */
export async function logIn (page, user = elastic) {
  await page.goto('/console')
  await fillLogin(page, user)
  await arrive(page, 'Keys')
}
