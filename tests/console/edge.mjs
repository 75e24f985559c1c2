// An edge as the key service sees it: somebody who asks for the feed under a name.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { rest, url } from './browser.mjs'

/** A key with which edges follow, as the value of `Authorization`. */
export async function feedCredential () {
  const roles = { edge: { cluster: ['read_key_feed'] } }
  return `ApiKey ${(await rest('POST', '/_security/api_key', { name: 'edges', role_descriptors: roles })).encoded}`
}

/** How a filter calls itself. */
const AGENT = 'latchkey-filter/0.1.0'

/** An edge that asks when it is told to, and takes what it gets. */
export class Edge {
  #authorization
  #identity
  #cursor = 0
  #epoch

  constructor (authorization, name) {
    this.#authorization = authorization
    const instance = createHash('sha256').update(name).digest('hex').slice(0, 32)
    this.#identity = { edge: name, instance, refuse_after: '3600000ms' }
  }

  /** Asks for what comes after what it has, and so says that it has applied that. */
  async ask () {
    const query = new URLSearchParams({ after: this.#cursor, limit: 10_000, ...this.#identity, ...(this.#epoch && { epoch: this.#epoch }) })
    const headers = { authorization: this.#authorization, 'user-agent': AGENT }
    const response = await fetch(new URL(`/_latchkey/feed?${query}`, url), { headers })
    const page = await response.json()
    assert.equal(response.status, 200, JSON.stringify(page))
    assert.equal(page.more || page.reset, false)
    this.#cursor = page.cursor
    this.#epoch = page.epoch
  }

  /** Tells what it has done in the last minute: uses of keys by their ids, and refusals by their reasons. */
  async report (keys, denied) {
    const { edge, instance } = this.#identity
    const body = { keys, edge: { instance, over_ms: 60_000, keys: 6, denied } }
    await rest('POST', `/_latchkey/usage?edge=${edge}`, body, this.#authorization)
  }

  /** Takes all that there is, and says that it has. */
  async apply () {
    await this.ask()
    await this.ask()
  }
}
