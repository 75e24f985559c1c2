// Keys, users and edges of a service that looks as if somebody worked with it.

import { rest, makeUser } from './browser.mjs'
import { Edge, feedCredential } from './edge.mjs'

const ORDERS = { applications: [{ application: 'shop', privileges: ['read', 'sell'], resources: ['orders/*'] }] }
const LOGS = { cluster: ['monitor'], indices: [{ names: ['logs-*'], privileges: ['read'] }] }

function basic ({ username, password }) {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Makes them. Gives a key with everything that a key can have, and the edges. */
export async function furnish () {
  const owners = [await makeUser('team-orders', ['all']), await makeUser('team-search', ['all'])]
  const make = (owner, body) => rest('POST', '/_security/api_key', body, basic(owner))
  const key = await make(owners[0], {
    name: 'checkout', expiration: '90d', role_descriptors: { shop: ORDERS, ops: LOGS }, metadata: { team: 'orders', ticket: 'OPS-2291' }
  })
  await rest('POST', `/_security/api_key/${key.id}/_rotate`, { overlap: '24h' }, basic(owners[0]))
  await make(owners[0], { name: 'refunds', expiration: '365d', role_descriptors: { reader: {}, writer: {} } })
  await make(owners[0], { name: 'night-report', expiration: '2d', role_descriptors: { reader: {} } })
  await make(owners[1], { name: 'crawler', role_descriptors: { ops: LOGS } })
  await make(owners[1], { name: 'ranking-experiment', expiration: '1s', role_descriptors: { reader: {} } })
  const leaked = await make(owners[1], { name: 'leaked-in-a-log', expiration: '30d', role_descriptors: { reader: {} } })
  const credential = await feedCredential()
  const edges = ['eu-west-1', 'eu-west-2', 'us-east-1'].map((name, number) => new Edge(credential, `gateway-${name}`, number + 1))
  for (const edge of edges) await edge.apply()
  await rest('DELETE', '/_security/api_key', { ids: [leaked.id] })
  for (const edge of edges) await edge.apply()
  return { key, edges }
}
