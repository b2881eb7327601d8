// The driver of Natter for Otterproof: it passes each request to a Natter and reports what happens. Otterproof's
// docs/reference/driver-protocol.md explains each method and event. In its strings, each character is one byte.
'use strict'

const crypto = require('crypto')
const readline = require('readline')

console.log = console.error // only the protocol may use standard output

// Random bytes come from the seed of the acting party, so that runs are repeatable. This must be set up before otr loads.
let acting = null
const systemBytes = crypto.randomBytes
crypto.randomBytes = (size) => {
  if (!acting?.seed) return systemBytes(size)
  const key = crypto.createHash('sha256').update(`${acting.drawn++} ${acting.seed}`).digest()
  return crypto.createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

const { Natter } = require('./natter.js')
const toBytes = (text) => Buffer.from(text, 'utf8').toString('latin1')
const toText = (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bytes, 'latin1'))
const parties = new Map()
class Unsupported extends Error {}

function create ({ party, key, policy, seed }) {
  if (policy.length !== 1) throw new Unsupported('Natter has one version at a time')
  const made = acting = { seed, drawn: 0, events: [] }
  const tell = (event, fields) => made.events.push({ event, ...fields })
  made.natter = new Natter(['p', 'q', 'g', 'y', 'x'].map((name) => key[name]), policy[0] === 'allow_v2' ? 2 : 3, {
    transmit: (message) => tell('outgoing_message', { message: toBytes(message) }),
    show: (text, secure) => tell('text_received', { text: secure ? toBytes(text) : text, secure, warn: null, instance: null }),
    encrypted: ({ tag, ...told }) => tell('session_established', {
      instance: tag, ...told, sent_reveal_signature: null, refreshed: null, same_key: null,
    }),
    ended: (byFriend) => tell(byFriend ? 'peer_ended_session' : 'user_ended_session', { instance: null }),
    complain: (words, action) => action === 'receive'
      ? tell('message_unreadable', { instance: null, reason: null, field: null, offset: null })
      : tell('action_refused', { action, reason: null }),
  })
  parties.set(party, made)
  return { instance_tag: made.natter.tag, fingerprint: made.natter.fingerprint }
}

const act = (todo) => (params) => {
  acting = parties.get(params.party)
  acting.events = []
  todo(acting.natter, params)
  return { events: acting.events }
}

const METHODS = {
  hello: () => ({
    protocol: 2, name: 'natter', version: '1.0', otr_versions: [2, 3], capabilities: ['v2', 'v3'], randomness: 'seed',
  }),
  create,
  receive: act((natter, { message }) => natter.receive(message)),
  send: act((natter, { text }) => natter.send(toText(text))),
  start: act((natter) => natter.start()),
  end: act((natter) => natter.end()),
  close: ({ party }) => { parties.delete(party); return {} },
  reset: () => { parties.clear(); return {} },
  shutdown: () => ({}),
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  const answer = { jsonrpc: '2.0', id }
  try {
    if (!(method in METHODS)) throw new Unsupported(`no ${method}`)
    answer.result = METHODS[method](params)
  } catch (error) {
    answer.error = { code: error instanceof Unsupported ? -32001 : -32002, message: String(error) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
  if (method === 'shutdown') process.exit(0)
})
