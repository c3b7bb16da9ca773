// Reads receipts as JSON from standard input and says what @transmute/cose makes of each.
const cose = require('@transmute/cose')

const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'))
const buffer = (hex) => { const b = bytes(hex); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength) }
const url = (hex) => Buffer.from(hex, 'hex').toString('base64url')

async function main () {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  const asked = JSON.parse(text)
  const key = { kty: 'EC', crv: 'P-256', alg: 'ES256', x: url(asked.x), y: url(asked.y) }
  const verifier = cose.detached.verifier({ resolver: { resolve: async () => key } })

  const inclusion = async (entry, receipt) => {
    const leaf = await cose.receipt.leaf(bytes(entry))
    const root = await cose.receipt.inclusion.verify({ entry: leaf, receipt: buffer(receipt), verifier })
    return Buffer.from(root).toString('hex')
  }
  const inclusions = []
  for (const { entry, receipt } of asked.inclusions) inclusions.push(await inclusion(entry, receipt))

  const [first, second] = asked.inclusions
  const swapped = await inclusion(second.entry, first.receipt).catch(() => 'refused')

  const consistencies = []
  for (const { old, new: newer, receipt } of asked.consistencies) {
    consistencies.push(await cose.receipt.consistency.verify({
      oldRoot: buffer(old), newRoot: buffer(newer), receipt: buffer(receipt), verifier
    }))
  }
  console.log(JSON.stringify({ inclusions, swapped, consistencies }))
}

main().catch((error) => { console.error(error); process.exit(1) })
