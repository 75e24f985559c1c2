// What the client makes of a service that does not say the product's name.

import assert from 'node:assert/strict'
import { elastic, errors, step } from './service.mjs'

await step('the client refuses the service', async () => {
  await assert.rejects(elastic.security.authenticate(), errors.ProductNotSupportedError)
})
