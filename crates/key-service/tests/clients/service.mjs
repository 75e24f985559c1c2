// What every scenario begins with: a client of the super-user, and words for what must happen.

import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { LATCHKEY_ANSWERS, LATCHKEY_CLIENT, LATCHKEY_PASSWORD, LATCHKEY_URL, LATCHKEY_USERNAME } = process.env

// The client is not beside this file, and several are installed: each under a directory of its own.
export const { Client, errors } = createRequire(`${LATCHKEY_CLIENT}/`)('@elastic/elasticsearch')

/**
 * A client that logs in like this, with what else it is told, takes the first answer for an answer, and has patience with a busy machine.
 * It tells of every answer in a file, so that nothing else may show the secrets in them.
 */
export function connect (auth, more = {}) {
  const client = new Client({ node: LATCHKEY_URL, maxRetries: 0, requestTimeout: 60000, auth, ...more })
  // The client of 7.x tells of answers itself.
  ;(client.diagnostic ?? client).on('response', (error, result) => {
    appendFileSync(LATCHKEY_ANSWERS, `${JSON.stringify(error ? null : result.body ?? null)}\n`)
  })
  return client
}

export const url = LATCHKEY_URL

export const login = { username: LATCHKEY_USERNAME, password: LATCHKEY_PASSWORD }

export const elastic = connect(login)

/** Tells the sentence once everything in the block held. */
export async function step (sentence, block) {
  await block()
  console.log(sentence)
}

/** The error of a call, which must have this status and say this. */
export async function refused (status, reason, call) {
  let answer
  try {
    answer = await call
  } catch (error) {
    assert(error instanceof errors.ResponseError, `${error.stack} is not a ResponseError`)
    assert.equal(error.statusCode, status, error.message)
    assert(error.message.includes(reason), `${error.message} does not say ${reason}`)
    return error
  }
  assert.fail(`not refused: ${JSON.stringify(answer)}`)
}
