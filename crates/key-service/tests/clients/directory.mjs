// Users, roles, application privileges, and what they come to.

import assert from 'node:assert/strict'
import { connect, elastic, refused, step } from './service.mjs'

const { security } = elastic
const alice = (password = 'correct horse') => connect({ username: 'alice', password })

/** The fields of an object that another one has. */
const like = (shown, expected) => Object.fromEntries(Object.keys(expected).map(field => [field, shown[field]]))

const keeper = { cluster: ['manage_own_api_key'], run_as: ['bob'], metadata: { office: 7 } }

await step('a role is made and shown', async () => {
  assert.deepEqual(await security.putRole({ name: 'keeper', ...keeper }), { role: { created: true } })
  assert.deepEqual(await security.putRole({ name: 'keeper', ...keeper }), { role: { created: false } })
  const shown = await security.getRole({ name: 'keeper' })
  assert.deepEqual(like(shown.keeper, keeper), keeper)
  const all = await security.getRole()
  assert(all.keeper && all.superuser)
  await refused(404, '', security.getRole({ name: 'nobody' }))
  await refused(400, 'unknown cluster privilege [zzz]', security.putRole({ name: 'r', cluster: ['zzz'] }))
})

await step('a user is made, shown and let in', async () => {
  const user = { roles: ['keeper'], full_name: 'Alice Liddell', email: 'a@example.org', metadata: { x: 1 } }
  const made = await security.putUser({ username: 'alice', password: 'correct horse', refresh: 'wait_for', ...user })
  assert.deepEqual(made, { created: true })
  assert.deepEqual(await security.putUser({ username: 'alice', ...user }), { created: false })
  const expected = { username: 'alice', enabled: true, ...user }
  assert.deepEqual(await security.getUser({ username: 'alice' }), { alice: expected })
  const shown = await alice().security.authenticate()
  assert.deepEqual(like(shown, expected), expected)
  assert.deepEqual(shown.authentication_realm, { name: 'native', type: 'native' })
})

await step('users are shown together', async () => {
  await security.putUser({ username: 'bob', password: 'correct horse', roles: [] })
  const some = await security.getUser({ username: ['alice', 'bob', 'nobody'] })
  assert.deepEqual(Object.keys(some).sort(), ['alice', 'bob'])
  assert.deepEqual(Object.keys(await security.getUser()).sort(), ['alice', 'bob', 'elastic'])
  const error = await refused(404, '', security.getUser({ username: 'nobody' }))
  assert.deepEqual(error.body, {})
})

await step('users that make no sense are refused in words', async () => {
  const short = 'passwords must be at least [6] characters long'
  await refused(400, short, security.putUser({ username: 'eve', password: 'short', roles: [] }))
  const missing = 'Validation Failed: 1: roles are missing;'
  await refused(400, missing, security.putUser({ username: 'eve', password: '123456' }))
})

const denial = 'unable to authenticate user [alice] for REST request [/_security/_authenticate]'

await step('a user is switched off and on', async () => {
  assert.deepEqual(await security.disableUser({ username: 'alice' }), {})
  await refused(401, denial, alice().security.authenticate())
  assert.deepEqual(await security.enableUser({ username: 'alice' }), {})
  assert.equal((await alice().security.authenticate()).enabled, true)
})

await step('a password is changed by whom it lets in, and by who may', async () => {
  assert.deepEqual(await alice().security.changePassword({ password: 'second password' }), {})
  await refused(401, denial, alice().security.authenticate())
  const byOther = alice('second password').security.changePassword({ username: 'bob', password: '123456' })
  await refused(403, 'user/change_password] is unauthorized', byOther)
  assert.deepEqual(await security.changePassword({ username: 'alice', password: 'correct horse' }), {})
  assert(await alice().security.authenticate())
})

await step('one user acts as another', async () => {
  const runAs = username => alice().security.authenticate({}, { headers: { 'es-security-runas-user': username } })
  const shown = await runAs('bob')
  assert.deepEqual([shown.username, shown.authentication_type], ['bob', 'realm'])
  await refused(403, 'user [alice] is unauthorized to run as [elastic]', runAs('elastic'))
})

await step('application privileges are registered and shown', async () => {
  let read = { actions: ['data:read/*'], metadata: { v: 1 } }
  const shop = { shop: { read, all: { actions: ['data:*'] } } }
  const created = await security.putPrivileges({ privileges: shop })
  assert.deepEqual(created, { shop: { read: { created: true }, all: { created: true } } })
  read = { application: 'shop', name: 'read', ...read }
  assert.deepEqual(await security.getPrivileges({ application: 'shop', name: 'read' }), { shop: { read } })
  assert.deepEqual(Object.keys((await security.getPrivileges({ application: 'shop' })).shop), ['all', 'read'])
  assert.deepEqual(Object.keys(await security.getPrivileges()), ['shop'])
  await refused(404, '', security.getPrivileges({ application: 'shop', name: 'none' }))
  assert((await security.getBuiltinPrivileges()).cluster.includes('manage_own_api_key'))
})

await step('a user asks what it may do', async () => {
  const applications = [{ application: 'shop', privileges: ['read'], resources: ['tea'] }]
  const indices = [{ names: ['logs-*'], privileges: ['read'] }]
  await security.putRole({ name: 'keeper', ...keeper, applications, indices })
  const answer = await alice().security.hasPrivileges({
    cluster: ['manage_own_api_key', 'manage_security'],
    index: [{ names: ['logs-1'], privileges: ['read', 'write'] }],
    application: [{ application: 'shop', privileges: ['read', 'all'], resources: ['tea'] }]
  })
  assert.deepEqual(answer, {
    username: 'alice',
    has_all_requested: false,
    cluster: { manage_own_api_key: true, manage_security: false },
    index: { 'logs-1': { read: true, write: false } },
    application: { shop: { tea: { read: true, all: false } } }
  })
  const named = await alice().security.hasPrivileges({ user: 'alice', cluster: ['manage_own_api_key'] })
  assert.equal(named.has_all_requested, true)
  const privileges = await alice().security.getUserPrivileges()
  assert.deepEqual([privileges.cluster, privileges.run_as], [['manage_own_api_key'], ['bob']])
  assert.deepEqual(privileges.applications, applications)
})

await step('who may not is told what would allow it', async () => {
  await refused(
    403,
    'is unauthorized for user [alice] with effective roles [keeper], this action is granted by the cluster ' +
      'privileges [manage_security,all]',
    alice().security.putRole({ name: 'keeper', cluster: ['all'] })
  )
})

await step('privileges, roles and users are removed', async () => {
  const read = { application: 'shop', name: 'read' }
  assert.deepEqual(await security.deletePrivileges(read), { shop: { read: { found: true } } })
  let error = await refused(404, '', security.deletePrivileges(read))
  assert.deepEqual(error.body, { shop: { read: { found: false } } })
  assert.deepEqual(await security.deleteRole({ name: 'keeper' }), { found: true })
  error = await refused(404, '', security.deleteRole({ name: 'keeper' }))
  assert.deepEqual(error.body, { found: false })
  assert.deepEqual(await security.deleteUser({ username: 'alice' }), { found: true })
  error = await refused(404, '', security.deleteUser({ username: 'alice' }))
  assert.deepEqual(error.body, { found: false })
  await refused(401, denial, alice().security.authenticate())
})
