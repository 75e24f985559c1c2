// Who is there, and every way of saying who one is.

import assert from 'node:assert/strict'
import { connect, elastic, refused, step } from './service.mjs'

await step('the service says what it is', async () => {
  assert(await elastic.ping())
  const info = await elastic.info()
  assert.equal(info.tagline, 'You Know, for Search')
  assert.equal(info.version.build_flavor, 'default')
})

await step('the super-user sees who it is', async () => {
  const shown = await elastic.security.authenticate()
  assert.deepEqual([shown.username, shown.authentication_type], ['elastic', 'realm'])
  assert.deepEqual(shown.authentication_realm, { name: 'reserved', type: 'reserved' })
})

const made = await elastic.security.createApiKey({ name: 'ci', role_descriptors: { ci: { cluster: ['monitor'] } } })

await step('a key comes in as a pair and as text', async () => {
  for (const apiKey of [{ id: made.id, api_key: made.api_key }, made.encoded]) {
    const shown = await connect({ apiKey }).security.authenticate()
    assert.deepEqual([shown.username, shown.authentication_type], ['elastic', 'api_key'])
    assert.deepEqual([shown.api_key.id, shown.api_key.name], [made.id, 'ci'])
  }
  assert(await connect({ apiKey: made.encoded }).ping())
})

await step('a token comes in', async () => {
  const { access_token: bearer } = await elastic.security.getToken({ grant_type: 'client_credentials' })
  const shown = await connect({ bearer }).security.authenticate()
  assert.deepEqual([shown.username, shown.authentication_type], ['elastic', 'token'])
})

await step('without a credential nobody comes in', async () => {
  const error = await refused(
    401,
    'missing authentication credentials for REST request [/_security/_authenticate]',
    connect().security.authenticate()
  )
  assert.equal(error.body.error.type, 'security_exception')
  assert.equal(error.body.error.header['WWW-Authenticate'].length, 3)
})

await step('nobody comes in with a wrong password', async () => {
  await refused(
    401,
    'unable to authenticate user [elastic] for REST request [/_security/_authenticate]',
    connect({ username: 'elastic', password: 'wrong' }).security.authenticate()
  )
})

await step('nobody comes in with a wrong key or token', async () => {
  for (const [login, cause] of [
    [{ apiKey: { id: 'nobody', api_key: 'secret' } }, 'API key: unable to find apikey with id nobody'],
    [{ apiKey: { id: made.id, api_key: 'secret' } }, `API key: invalid credentials for API key [${made.id}]`],
    [{ apiKey: 'no Base64' }, 'API key: Illegal base64 character 20'],
    [{ bearer: 'token' }, 'oauth2 token: invalid token']
  ]) {
    const error = await refused(
      401,
      'unable to authenticate with provided credentials',
      connect(login).security.authenticate()
    )
    assert.equal(error.body.error.additional_unsuccessful_credentials, cause)
  }
})

await step('who may not is told what would allow it', async () => {
  const error = await refused(
    403,
    'action [cluster:admin/xpack/security/user/put] is unauthorized for API key id ' +
      `[${made.id}] of user [elastic], this action is granted by the cluster privileges [manage_security,all]`,
    connect({ apiKey: made.encoded }).security.putUser({ username: 'eve', password: '123456', roles: ['superuser'] })
  )
  assert.equal(error.body.status, 403)
})

await step('what is not about security is not there', async () => {
  await refused(400, 'no handler found for uri [/_search]', elastic.search())
})
