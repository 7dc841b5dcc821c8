// The official JavaScript SDK goes through all calls; node finds it by NODE_PATH.
//
// Arguments: URL, app id, app token. Prints a line of JSON for each call.
//
// The SDK has no methods for the export of orders, for downloads and for OAuth: those go through its
// `RequestController`, on which its methods stand. A token goes into a call as one of `customHeaders`.

const { setTimeout: pause } = require('node:timers/promises')
const { VoucherifyServerSide } = require('@voucherify/sdk')

const ORDER = {
  source_id: 'web-1001',
  status: 'PAID',
  discount_amount: 100,
  customer: { source_id: 'c-1', name: 'Ann' },
  items: [
    {
      source_id: 'sku-1',
      related_object: 'sku',
      quantity: 2,
      price: 1000,
      discount_amount: 50,
      sku: { sku: 'One', override: true },
      product: { source_id: 'prod-1', name: 'Product', override: true },
    },
  ],
  metadata: { channel: 'web' },
}
const PARAMETERS = {
  fields: ['source_id', 'status', 'amount', 'metadata'],
  order: '-status',
  filters: { junction: 'and', amount: { conditions: { $more_than: [0] } } },
}
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

function tell(call, seen) {
  console.log(JSON.stringify({ call, ...seen }))
}

// Makes a call and tells of it. Gives what it gave, or nothing after a refusal.
async function ask(call, answer) {
  try {
    const seen = await answer
    tell(call, { answer: seen })
    return seen
  } catch (error) {
    // Its class has no name that is kept: the build is minified.
    if (!error.key) throw error
    tell(call, { refused: { ...error, message: error.message } })
  }
}

// Asks until the job has ended. Only the last answer is told of, as how often one asks is a matter of chance.
async function waitFor(call, look) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(50)) {
    const seen = await look()
    if (['DONE', 'FAILED', 'ERROR'].includes(seen.status)) {
      tell(call, { answer: seen })
      return seen
    }
  }
  throw new Error(`${call}: not done in 30 seconds`)
}

async function walkOrders({ orders }) {
  const made = await ask('orders.create', orders.create(ORDER))
  await ask('orders.get', orders.get('web-1001'))
  await ask('orders.get', orders.get(made.id))
  await ask('orders.create', orders.create({ source_id: 'a/b c?d#e%é', amount: 5 }))
  await ask('orders.get', orders.get('a/b c?d#e%é'))
  await ask('orders.update', orders.update({ id: made.id, status: 'CANCELED' }))
  await ask('orders.update', orders.update({ source_id: 'web-1001', metadata: { channel: 'shop' } }))
  await ask('orders.list', orders.list({ limit: 1, page: 2, order: 'created_at' }))
  await ask('orders.get', orders.get('nowhere'))
  await ask('orders.create', orders.create({ amount: -5 }))
}

async function walkImport({ orders, asyncActions }) {
  const rows = Array.from({ length: 50 }, (_, number) => ({ source_id: `old-${number}` }))
  const scheduled = await ask('orders.import', orders.import(rows))
  await waitFor('asyncActions.get', () => asyncActions.get(scheduled.async_action_id))
  await ask('asyncActions.list', asyncActions.list({ limit: 5 }))
  await ask('asyncActions.get', asyncActions.get('aa_0'))
}

async function walkExports({ orders, distributions }) {
  const { exports } = distributions
  const controller = orders.client
  const wanted = { exported_object: 'order', parameters: PARAMETERS }
  const first = await ask('exports.create', exports.create(wanted))
  const done = await waitFor('exports.get', () => exports.get(first.id))
  // The SDK's types allow this order, Voucherify's documents do not.
  const byKey = { ...PARAMETERS, order: 'source_id' }
  await ask('exports.create', exports.create({ ...wanted, parameters: byKey }))
  const second = await ask('POST /orders/export', controller.post('/orders/export', { parameters: PARAMETERS }))
  await waitFor('exports.get', () => exports.get(second.id))
  await ask('exports.list', exports.list({ limit: 5, order: 'created_at' }))
  await ask('GET result.url', controller.get(done.result.url))
  await ask('exports.delete', exports.delete(first.id))
  await ask('exports.get', exports.get(first.id))
}

async function walkOAuth({ orders }, apiUrl) {
  const post = (path, form) => ask(`POST ${path}`, orders.client.post(path, form, undefined, FORM))
  const granted = await post('/oauth/token', { grant_type: 'client_credentials', scope: 'orders' })
  const form = { access_token: granted.access_token }
  const byToken = VoucherifyServerSide({
    apiUrl,
    applicationId: '',
    secretKey: '',
    // axios leaves out a header that is false.
    customHeaders: { 'X-App-Id': false, 'X-App-Token': false, Authorization: `Bearer ${granted.access_token}` },
  })
  await ask('orders.list', byToken.orders.list({ limit: 1 }))
  await ask('exports.list', byToken.distributions.exports.list())
  await post('/oauth/introspect', form)
  await post('/oauth/token/revoke', form)
  await post('/oauth/introspect', form)
  await ask('orders.list', byToken.orders.list({ limit: 1 }))
  await post('/oauth/token', { grant_type: 'password', scope: 'api' })
}

async function main(apiUrl, applicationId, secretKey) {
  const client = VoucherifyServerSide({ apiUrl, applicationId, secretKey, apiVersion: 'v2018-08-01' })
  await walkOrders(client)
  await walkImport(client)
  await walkExports(client)
  await walkOAuth(client, apiUrl)
  const wrong = VoucherifyServerSide({ apiUrl, applicationId, secretKey: 'wrong' })
  await ask('orders.list', wrong.orders.list())
}

main(...process.argv.slice(2))
