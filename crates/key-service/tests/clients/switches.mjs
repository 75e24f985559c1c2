// The same with every switch of the client on: compression, sniffing, typed keys.

import assert from 'node:assert/strict'
import { connect, elastic, login, step, url } from './service.mjs'

await step('the cluster is healthy', async () => {
  assert.equal((await elastic.cluster.health({ wait_for_status: 'yellow', timeout: '10s' })).status, 'green')
})

await step('a client that compresses leads a key through its life', async () => {
  const client = connect(login, { compression: true })
  const made = await client.security.createApiKey({ name: 'compressed', metadata: { long: 'x'.repeat(10_000) } })
  const shown = (await client.security.getApiKey({ id: made.id })).api_keys[0]
  assert.deepEqual([shown.name, shown.metadata.long.length], ['compressed', 10_000])
  const ended = await client.security.invalidateApiKey({ ids: [made.id] })
  assert.deepEqual(ended.invalidated_api_keys, [made.id])
})

await step('a client that sniffs finds the service where it has found it', async () => {
  const client = connect(login, { sniffOnStart: true })
  await new Promise((resolve, reject) => {
    client.diagnostic.on('sniff', error => (error ? reject(error) : resolve()))
  })
  assert.deepEqual(client.connectionPool.connections.map(node => node.url.host), [new URL(url).host])
  assert(await client.ping())
})

await step('a client may ask for typed keys', async () => {
  const found = await elastic.security.queryApiKeys({
    size: 0,
    typed_keys: true,
    aggs: { names: { terms: { field: 'name' } } }
  })
  assert.deepEqual(found.aggregations['sterms#names'].buckets, [{ key: 'compressed', doc_count: 1 }])
})
