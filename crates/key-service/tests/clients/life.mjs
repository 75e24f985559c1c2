// The life of a key as a client of 7.x leads it, whose methods take bodies, with every switch on: compression, sniffing, typed keys.

import assert from 'node:assert/strict'
import { connect, elastic, errors, login, step, url } from './service.mjs'

async function refused (status, reason, call) {
  await assert.rejects(call, error => {
    assert(error instanceof errors.ResponseError, `${error.stack} is not a ResponseError`)
    assert.equal(error.statusCode, status)
    assert(error.meta.body.error.reason.includes(reason), `${error.meta.body.error.reason} does not say ${reason}`)
    return true
  })
}

/** Makes a key with a long text in it, finds it, and ends it. */
async function leadAKey ({ security }, name) {
  const made = (await security.createApiKey({ body: { name, metadata: { long: 'x'.repeat(10_000) } } })).body
  const shown = (await security.getApiKey({ id: made.id, owner: true })).body.api_keys[0]
  assert.deepEqual([shown.name, shown.metadata.long.length], [name, 10_000])
  const ended = (await security.invalidateApiKey({ body: { ids: [made.id], owner: true } })).body
  assert.deepEqual(ended.invalidated_api_keys, [made.id])
}

const { security } = elastic

await step('the service says what it is', async () => {
  assert.equal((await elastic.ping()).body, true)
  assert.equal((await elastic.info()).body.tagline, 'You Know, for Search')
})

await step('the super-user sees who it is', async () => {
  const shown = (await security.authenticate()).body
  assert.deepEqual([shown.username, shown.authentication_type], ['elastic', 'realm'])
})

const roles = { monitors: { cluster: ['monitor'] } }
const made = (await security.createApiKey({ body: { name: 'ci', expiration: '1d', role_descriptors: roles } })).body
const key = connect({ apiKey: { id: made.id, api_key: made.api_key } })

await step('a key is made, found and let in', async () => {
  assert.equal((await security.getApiKey({ id: made.id })).body.api_keys[0].name, 'ci')
  const found = (await security.queryApiKeys({ body: { query: { term: { name: 'ci' } } } })).body
  assert.deepEqual([found.total, found.api_keys[0].id], [1, made.id])
  const shown = (await key.security.authenticate()).body
  assert.deepEqual([shown.authentication_type, shown.api_key.name], ['api_key', 'ci'])
  const asked = (await key.security.hasPrivileges({ body: { cluster: ['monitor', 'manage'] } })).body
  assert.deepEqual(asked.cluster, { monitor: true, manage: false })
})

await step('a key that is revoked is shown and not let in', async () => {
  const ended = (await security.invalidateApiKey({ body: { ids: [made.id] } })).body
  assert.deepEqual(ended.invalidated_api_keys, [made.id])
  assert.equal((await security.getApiKey({ id: made.id })).body.api_keys[0].invalidated, true)
  await refused(401, 'unable to authenticate', key.security.authenticate())
})

await step('a token lets in until it is ended', async () => {
  const token = (await security.getToken({ body: { grant_type: 'client_credentials' } })).body.access_token
  const bearer = connect({ bearer: token }).security
  assert.equal((await bearer.authenticate()).body.authentication_type, 'token')
  assert.equal((await security.invalidateToken({ body: { token } })).body.invalidated_tokens, 1)
  await refused(401, 'token expired', bearer.authenticate())
})

await step('a user may do what its role grants, and nothing else', async () => {
  await security.putRole({ name: 'own-keys', body: { cluster: ['manage_own_api_key', 'monitor'] } })
  await security.putUser({ username: 'alice', body: { password: 'correct horse', roles: ['own-keys'] } })
  const alice = connect({ username: 'alice', password: 'correct horse' })
  await leadAKey(alice, 'of-alice')
  await refused(403, 'user [alice] with effective roles [own-keys]', alice.security.getUser())
  assert.deepEqual((await security.deleteUser({ username: 'alice' })).body, { found: true })
})

await step('the cluster is healthy', async () => {
  const health = (await elastic.cluster.health({ wait_for_status: 'yellow', timeout: '10s' })).body
  assert.equal(health.status, 'green')
})

await step('a client that compresses leads a key through its life', async () => {
  await leadAKey(connect(login, { compression: 'gzip' }), 'compressed')
})

await step('a client that sniffs finds the service where it has found it', async () => {
  const client = connect(login, { sniffOnStart: true })
  await new Promise((resolve, reject) => client.on('sniff', error => (error ? reject(error) : resolve())))
  assert.deepEqual(client.connectionPool.connections.map(node => node.url.host), [new URL(url).host])
  assert.equal((await client.ping()).body, true)
})

await step('a client may ask for typed keys', async () => {
  const body = { size: 0, aggs: { names: { terms: { field: 'name' } } }, query: { term: { name: 'ci' } } }
  const found = (await security.queryApiKeys({ body }, { querystring: { typed_keys: true } })).body
  assert.deepEqual(found.aggregations['sterms#names'].buckets, [{ key: 'ci', doc_count: 1 }])
})
