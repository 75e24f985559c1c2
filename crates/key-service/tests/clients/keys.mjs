// The life of keys, from the first to the last.

import assert from 'node:assert/strict'
import { connect, elastic, refused, step } from './service.mjs'

const { security } = elastic

async function getOne (query) {
  const { api_keys: keys } = await security.getApiKey(query)
  assert.equal(keys.length, 1)
  return keys[0]
}

const names = answer => answer.api_keys.map(key => key.name).sort()

let first, second

await step('a key is made', async () => {
  const readsLogs = { indices: [{ names: ['logs-*'], privileges: ['read'] }] }
  first = await security.createApiKey({
    name: 'red-1',
    expiration: '1d',
    role_descriptors: { 'reads-logs': readsLogs },
    metadata: { team: 'red', size: 1 },
    refresh: 'wait_for'
  })
  assert.deepEqual(Object.keys(first).sort(), ['api_key', 'encoded', 'expiration', 'id', 'name'])
  second = await security.createApiKey({ name: 'red-2', metadata: { team: 'red', size: 2 } })
  assert.deepEqual(Object.keys(second).sort(), ['api_key', 'encoded', 'id', 'name'])
})

await step('a key is found by its id', async () => {
  const key = await getOne({ id: first.id })
  assert.deepEqual([key.type, key.invalidated, key.expiration], ['rest', false, first.expiration])
  assert.deepEqual([key.username, key.realm, key.realm_type], ['elastic', 'reserved', 'reserved'])
  assert.deepEqual(key.metadata, { team: 'red', size: 1 })
  assert.deepEqual(key.role_descriptors['reads-logs'].indices[0].names, ['logs-*'])
  assert(!('limited_by' in key))
  const limited = await getOne({ id: first.id, with_limited_by: true })
  assert.deepEqual(Object.keys(limited.limited_by[0]), ['superuser'])
})

await step('keys are found by name, owner and user', async () => {
  for (const [query, expected] of [
    [{ name: 'red-*' }, ['red-1', 'red-2']],
    [{ owner: true, name: 'red-1' }, ['red-1']],
    [{ username: 'elastic', realm_name: 'reserved' }, ['red-1', 'red-2']],
    [{ username: 'nobody' }, []],
    [{ active_only: true }, ['red-1', 'red-2']]
  ]) {
    assert.deepEqual(names(await security.getApiKey(query)), expected)
  }
})

await step('an id that no key has is not found', async () => {
  const error = await refused(404, '', security.getApiKey({ id: 'nobody' }))
  assert.deepEqual(error.body, { api_keys: [] })
})

await step('what makes no sense is refused in words', async () => {
  await refused(400, 'Required [name]', security.createApiKey({ metadata: {} }))
  await refused(
    400,
    'Validation Failed: 1: api key name may not begin with an underscore;',
    security.createApiKey({ name: '_x' })
  )
  const error = await refused(
    400,
    'failed to parse role [r]. unexpected field [clutser]',
    security.createApiKey({ name: 'x', role_descriptors: { r: { clutser: [] } } })
  )
  assert.equal(error.body.error.type, 'x_content_parse_exception')
  await refused(
    400,
    'only one of [api key id, api key name] can be specified',
    security.getApiKey({ id: 'x', name: 'y' })
  )
  await refused(400, 'One of [api key id(s), api key name', security.invalidateApiKey({ owner: false }))
})

await step('a key is updated', async () => {
  await refused(
    400,
    'authentication via API key not supported: only the owner user can update an API key',
    connect({ apiKey: second.encoded }).security.updateApiKey({ id: second.id })
  )
  const roles = { monitors: { cluster: ['monitor'] } }
  const changed = { id: second.id, role_descriptors: roles, metadata: { team: 'blue' } }
  assert.deepEqual(await security.updateApiKey(changed), { updated: true })
  assert.deepEqual(await security.updateApiKey(changed), { updated: false })
  const key = await getOne({ id: second.id })
  assert.deepEqual([key.metadata, Object.keys(key.role_descriptors)], [{ team: 'blue' }, ['monitors']])
  await refused(
    404,
    'no API key owned by requesting user found for ID [nobody]',
    security.updateApiKey({ id: 'nobody' })
  )
})

await step('several keys are updated at once', async () => {
  const done = await security.bulkUpdateApiKeys({
    ids: [first.id, second.id, 'nobody'],
    metadata: { team: 'blue' }
  })
  assert.deepEqual([done.updated, done.noops], [[first.id], [second.id]])
  assert.deepEqual([done.errors.count, Object.keys(done.errors.details)], [1, ['nobody']])
  assert.equal(done.errors.details.nobody.type, 'resource_not_found_exception')
})

await step('keys are searched', async () => {
  const everything = await security.queryApiKeys()
  assert.deepEqual([everything.total, everything.count, names(everything)], [2, 2, ['red-1', 'red-2']])
  const blue = await security.queryApiKeys({
    query: { bool: { must: [{ term: { 'metadata.team': 'blue' } }, { prefix: { name: 'red' } }] } },
    sort: [{ name: { order: 'desc' } }],
    size: 1,
    with_limited_by: true
  })
  assert.deepEqual([blue.total, blue.count, names(blue)], [2, 1, ['red-2']])
  assert.deepEqual(blue.api_keys[0]._sort, ['red-2'])
  const rest = await security.queryApiKeys({ sort: [{ name: { order: 'desc' } }], search_after: ['red-2'] })
  assert.deepEqual(names(rest), ['red-1'])
  const counted = await security.queryApiKeys({ size: 0, aggs: { teams: { terms: { field: 'metadata.team' } } } })
  assert.deepEqual(counted.api_keys, [])
  assert.deepEqual(counted.aggregations.teams.buckets, [{ key: 'blue', doc_count: 2 }])
  await refused(
    400,
    'Field [secret] is not allowed for querying or aggregation',
    security.queryApiKeys({ query: { term: { secret: 'x' } } })
  )
})

await step('the cache is cleared', async () => {
  for (const ids of [first.id, [first.id, second.id], '*']) {
    const cleared = await security.clearApiKeyCache({ ids })
    assert.deepEqual(cleared._nodes, { total: 1, successful: 1, failed: 0 })
  }
})

await step('a key is granted to somebody else', async () => {
  await security.putUser({ username: 'alice', password: 'correct horse', roles: [] })
  const grant = { grant_type: 'password', username: 'alice', api_key: { name: 'granted' } }
  const granted = await security.grantApiKey({ password: 'correct horse', ...grant })
  assert.deepEqual([granted.name, (await getOne({ id: granted.id })).username], ['granted', 'alice'])
  const error = await refused(
    403,
    'unable to authenticate user [alice] for action [cluster:admin/xpack/security/api_key/grant]',
    security.grantApiKey({ password: 'wrong', ...grant })
  )
  assert.equal(error.body.error.reason, 'Failed to authenticate api key grant')
  await refused(
    400,
    '[username] is required for grant_type [password]',
    security.grantApiKey({ grant_type: 'password', password: 'correct horse', api_key: { name: 'x' } })
  )
})

await step('a key is granted by run-as', async () => {
  await security.putRole({ name: 'is-alice', run_as: ['alice'] })
  await security.putUser({ username: 'bob', password: 'correct horse', roles: ['is-alice'] })
  const granted = await security.grantApiKey({
    grant_type: 'password',
    username: 'bob',
    password: 'correct horse',
    run_as: 'alice',
    api_key: { name: 'for-alice' }
  })
  assert.equal((await getOne({ id: granted.id })).username, 'alice')
})

/** The client's own method, where it has one: 8.x has none. */
async function cloneApiKey (body) {
  if (security.cloneApiKey) return await security.cloneApiKey(body)
  return await elastic.transport.request({ method: 'POST', path: '/_security/api_key/clone', body })
}

await step('a key is cloned', async () => {
  const clone = await cloneApiKey({ api_key: first.encoded, name: 'red-1-clone' })
  assert(clone.id !== first.id && clone.api_key !== first.api_key)
  const cloned = await getOne({ id: clone.id })
  assert.deepEqual([cloned.name, cloned.metadata], ['red-1-clone', {}])
  assert.deepEqual(Object.keys(cloned.role_descriptors), ['reads-logs'])
  const { body } = await refused(403, '', cloneApiKey({ api_key: 'bm9ib2R5OnNlY3JldA==' }))
  assert.equal(body.error.reason, 'Failed to clone API key')
})

await step('a key is asked what it may do', async () => {
  const answer = await connect({ apiKey: first.encoded }).security.hasPrivileges({
    cluster: ['monitor'],
    index: [{ names: ['logs-1', 'metrics-1'], privileges: ['read', 'write'] }]
  })
  assert.deepEqual([answer.username, answer.has_all_requested], ['elastic', false])
  assert.deepEqual(answer.cluster, { monitor: false })
  assert.deepEqual(answer.index['logs-1'], { read: true, write: false })
  assert.deepEqual(answer.index['metrics-1'], { read: false, write: false })
})

await step('there are no cross-cluster keys', async () => {
  const refusal = 'cross-cluster API keys are not supported'
  const access = { search: [{ names: ['logs'] }] }
  await refused(400, refusal, security.createCrossClusterApiKey({ name: 'x', access }))
  await refused(400, refusal, security.updateCrossClusterApiKey({ id: 'x', access }))
})

await step('keys are ended by id, name, owner and user', async () => {
  for (const [query, count] of [
    [{ ids: [first.id, 'nobody'] }, 1],
    [{ ids: [first.id] }, 0],
    [{ name: 'red-1-*' }, 1],
    [{ owner: true }, 1],
    [{ username: 'alice', realm_name: 'native' }, 2]
  ]) {
    const ended = await security.invalidateApiKey(query)
    assert.deepEqual([ended.invalidated_api_keys.length, ended.error_count], [count, 0])
  }
  assert.deepEqual(names(await security.getApiKey({ active_only: true })), [])
})

await step('an ended key is shown and not let in', async () => {
  const key = await getOne({ id: first.id })
  assert(key.invalidated && key.invalidation >= key.creation)
  const error = await refused(
    401,
    'unable to authenticate',
    connect({ apiKey: first.encoded }).security.authenticate()
  )
  const cause = `API key: api key [${first.id}] has been invalidated`
  assert.equal(error.body.error.additional_unsuccessful_credentials, cause)
  await refused(
    400,
    `cannot update invalidated API key [${first.id}]`,
    security.updateApiKey({ id: first.id })
  )
})
