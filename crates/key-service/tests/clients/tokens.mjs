// OAuth2 tokens: got, used, refreshed, ended.

import assert from 'node:assert/strict'
import { connect, elastic, refused, step } from './service.mjs'

const { security } = elastic
await security.putUser({ username: 'alice', password: 'correct horse', roles: [] })

const passwordGrant = () =>
  security.getToken({ grant_type: 'password', username: 'alice', password: 'correct horse' })

const bearer = token => connect({ bearer: token }).security

const ended = (invalidated, previously = 0) => ({
  invalidated_tokens: invalidated,
  previously_invalidated_tokens: previously,
  error_count: 0
})

let first, second

await step('a password is exchanged for a token, which lets in', async () => {
  first = await passwordGrant()
  assert.deepEqual([first.type, first.expires_in, 'scope' in first], ['Bearer', 1200, false])
  assert.equal(first.authentication.username, 'alice')
  const shown = await bearer(first.access_token).authenticate()
  assert.deepEqual([shown.username, shown.authentication_type], ['alice', 'token'])
})

await step('a wrong password is refused', async () => {
  await refused(
    401,
    'unable to authenticate user [alice]',
    security.getToken({ grant_type: 'password', username: 'alice', password: 'wrong' })
  )
})

await step('a caller gets a token for itself', async () => {
  const own = await security.getToken({ grant_type: 'client_credentials', scope: 'FULL' })
  assert.deepEqual([own.scope, 'refresh_token' in own], ['full', false])
  assert.equal((await bearer(own.access_token).authenticate()).username, 'elastic')
})

await step('errors of grants have the form of OAuth2', async () => {
  let { body } = await refused(400, '', security.getToken({ grant_type: 'zzz' }))
  assert.equal(body.error, 'unsupported_grant_type')
  assert(body.error_description.includes('grant_type only supports the values'), body.error_description)
  body = (await refused(400, '', security.getToken({ grant_type: 'password', username: 'alice' }))).body
  assert.deepEqual(body, {
    error: 'invalid_request',
    error_description: 'Validation Failed: 1: password is missing;'
  })
})

await step('a token is refreshed, by its client and once', async () => {
  const refresh = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
  second = await security.getToken(refresh)
  assert.notEqual(second.access_token, first.access_token)
  assert.notEqual(second.refresh_token, first.refresh_token)
  assert.equal((await bearer(second.access_token).authenticate()).username, 'alice')
  const again = await security.getToken(refresh)
  assert.equal(again.access_token, second.access_token)
  const { body } = await refused(400, '', security.getToken({ grant_type: 'refresh_token', refresh_token: 'x' }))
  assert.deepEqual(body, { error: 'invalid_grant', error_description: 'could not refresh the requested token' })
})

await step('a key is granted for a token', async () => {
  const granted = await security.grantApiKey({
    grant_type: 'access_token',
    access_token: second.access_token,
    api_key: { name: 'granted' }
  })
  assert.equal((await connect({ apiKey: granted.encoded }).security.authenticate()).username, 'alice')
})

await step('a token is ended', async () => {
  assert.deepEqual(await security.invalidateToken({ token: second.access_token }), ended(1))
  assert.deepEqual(await security.invalidateToken({ token: second.access_token }), ended(0, 1))
  const { body } = await refused(401, 'token expired', bearer(second.access_token).authenticate())
  const challenge = body.error.header['WWW-Authenticate']
  assert(challenge.includes('error="invalid_token"'), challenge)
})

await step('a refresh token is ended', async () => {
  const token = second.refresh_token
  assert.deepEqual(await security.invalidateToken({ refresh_token: token }), ended(1))
  const { body } = await refused(400, '', security.getToken({ grant_type: 'refresh_token', refresh_token: token }))
  assert.deepEqual(body, { error: 'invalid_grant', error_description: 'token has been invalidated' })
})

await step('a token that is none is not found', async () => {
  const error = await refused(404, '', security.invalidateToken({ token: 'none' }))
  assert.deepEqual(error.body, ended(0))
})

await step('all tokens of a user or a realm are ended', async () => {
  await passwordGrant()
  assert((await security.invalidateToken({ username: 'alice' })).invalidated_tokens >= 2)
  await passwordGrant()
  assert.deepEqual(await security.invalidateToken({ realm_name: 'native' }), ended(2))
  assert.deepEqual(await security.invalidateToken({ username: 'nobody' }), ended(0))
})

await step('a request that names no token is refused', async () => {
  const both = { token: 'a', username: 'alice' }
  await refused(400, 'token string must not be provided', security.invalidateToken(both))
  const two = { token: 'a', refresh_token: 'b' }
  await refused(400, 'only one of [token, refresh_token]', security.invalidateToken(two))
})
