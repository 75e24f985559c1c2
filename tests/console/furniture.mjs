// Keys, users and edges of a service that looks as if somebody worked with it.

import { basic, elastic, makeUser, rest } from './browser.mjs'
import { Edge } from './edge.mjs'

const ORDERS = { applications: [{ application: 'shop', privileges: ['read', 'sell'], resources: ['orders/*'] }] }
const LOGS = { cluster: ['monitor'], indices: [{ names: ['logs-*'], privileges: ['read'] }] }

/** Makes them. Gives a key with everything that a key can have, and the edges. */
export async function furnish () {
  const edges = ['ap-south-1', 'ap-south-2', 'eu-west-1', 'eu-west-2', 'us-east-1', 'us-east-2'].map(name => new Edge(basic(elastic), `gateway-${name}`))
  const applied = () => Promise.all(edges.map(edge => edge.apply()))
  const orders = await makeUser('team-orders', ['all'])
  const search = await makeUser('team-search', ['all'])
  await applied()
  /** Asks as the owner, and every edge applies what has changed. */
  async function change (owner, path, body) {
    const answer = await rest('POST', path, body, basic(owner))
    await applied()
    return answer
  }
  const make = (owner, body) => change(owner, '/_security/api_key', body)
  await make(search, { name: 'ranking-experiment', expiration: '1s', role_descriptors: { reader: {} } })
  const leaked = await make(search, { name: 'leaked-in-a-log', expiration: '30d', role_descriptors: { reader: {} } })
  await make(search, { name: 'crawler', role_descriptors: { ops: LOGS } })
  await make(orders, { name: 'night-report', expiration: '2d', role_descriptors: { reader: {} } })
  await make(orders, { name: 'refunds', expiration: '365d', role_descriptors: { reader: {}, writer: {} } })
  const key = await make(orders, {
    name: 'checkout', expiration: '90d', role_descriptors: { shop: ORDERS, ops: LOGS }, metadata: { team: 'orders', ticket: 'OPS-2291' }
  })
  await change(orders, `/_security/api_key/${key.id}/_rotate`, { overlap: '24h' })
  await rest('DELETE', '/_security/api_key', { ids: [leaked.id] })
  await applied()
  for (const [number, edge] of edges.entries()) {
    await edge.report({ [key.id]: [5_311 * (number + 1), number] }, { key_revoked: 3 * number, key_unknown: 17 })
  }
  return { key, edges }
}
