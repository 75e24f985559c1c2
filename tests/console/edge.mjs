// An edge as the key service sees it: somebody who asks for the feed under a name.

import assert from 'node:assert/strict'
import { rest, url } from './browser.mjs'

/** The credential with which edges follow. */
export async function feedCredential () {
  const roles = { edge: { cluster: ['read_key_feed'] } }
  return (await rest('POST', '/_security/api_key', { name: 'edges', role_descriptors: roles })).encoded
}

/** An edge that asks when it is told to, and takes what it gets. */
export class Edge {
  #credential
  #identity
  #cursor = 0
  #epoch

  constructor (credential, name, number) {
    this.#credential = credential
    this.#identity = { edge: name, instance: number.toString(16).padStart(32, '0'), refuse_after: '3600000ms' }
  }

  /** Asks for what comes after what it has, and so says that it has applied that. */
  async ask () {
    const query = new URLSearchParams({ after: this.#cursor, limit: 10_000, ...this.#identity, ...(this.#epoch && { epoch: this.#epoch }) })
    const response = await fetch(new URL(`/_latchkey/feed?${query}`, url), { headers: { authorization: `ApiKey ${this.#credential}` } })
    const page = await response.json()
    assert.equal(response.status, 200, JSON.stringify(page))
    assert.equal(page.more || page.reset, false)
    this.#cursor = page.cursor
    this.#epoch = page.epoch
  }

  /** Takes all that there is, and says that it has. */
  async apply () {
    await this.ask()
    await this.ask()
  }
}
