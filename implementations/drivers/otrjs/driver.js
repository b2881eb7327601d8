// The driver of otr, the JavaScript library of npm: versions 2 and 3, all policies, one instance of the correspondent.
//
// The library emits events ('io', 'ui', 'error', 'status', 'smp', 'file'), which the driver records in order.
// Adaptations, made from outside before anything else runs:
//   - crypto.randomBytes returns bytes derived from the party's seed, if it has one.
//   - setTimeout, through which every message is sent, runs its function immediately, so that a call is complete when it
//     returns. It runs them in a loop, because nested calls for thousands of fragments would exhaust the stack.
//   - The library takes and returns texts as Unicode and sends them in UTF-8. Bytes that are not UTF-8 can't be sent
//     (unsupported). Messages from the network are passed in with one character for each byte.
//   - The driver wraps the library's error(), parseMsg() and abort(), without changing what they do, to find out why
//     something was not accepted, which message an error notice concerns, and who aborted SMP.
//   - smpSecret both starts and answers SMP. If it would not do what was asked, the driver answers unsupported.
//   - The extra key is only for file names: `use` is 1, and the data is text.
//   - Padding can't be chosen. There are no heartbeats, and nothing depends on the time.
// max_message_size is passed on as fragment_size, although the library does not count the fragment header.
'use strict'

const crypto = require('crypto')
const fs = require('fs')

// These two must be replaced before the library's modules are loaded.
const systemRandom = crypto.randomBytes
let current = null // the acting party
crypto.randomBytes = (size) => (current && current.tape ? current.tape(size) : systemRandom(size))

const waiting = []
let running = false
global.setTimeout = (todo) => {
  waiting.push(todo)
  if (running) return
  running = true
  try {
    while (waiting.length) waiting.shift()()
  } finally {
    running = false
  }
}
console.log = console.error // only the protocol may use standard output

const { DSA, OTR } = require('otr')
const HLP = require('otr/lib/helpers.js')
const Parse = require('otr/lib/parse.js')
const SM = require('otr/lib/sm.js')
const CONST = OTR.CONST

const parseMsg = Parse.parseMsg
Parse.parseMsg = function (otr, message) {
  const parsed = parseMsg.call(this, otr, message)
  current.kind = parsed && parsed.cls
  return parsed
}

const abort = SM.prototype.abort
SM.prototype.abort = function () {
  current.aborting = true
  try {
    return abort.call(this)
  } finally {
    current.aborting = false
  }
}

class Unsupported extends Error {}
class Invalid extends Error {}

// The library's error texts that imply a reason; for all others the reason is null.
const REASONS = {
  'Received an unreadable encrypted message.': 'not_encrypted',
  'Not of our latest keys.': 'unknown_key',
  'Not of your latest keys.': 'unknown_key',
  'Do not have that key.': 'unknown_key',
  'Counter in message is not larger.': 'bad_counter',
  'MACs do not match.': 'bad_mac',
  'Illegal g^y.': 'bad_group_element',
  'Illegal g^x.': 'bad_group_element',
  'Hashed g^x does not match.': 'bad_commitment',
  'Cannot verify signature of m.': 'bad_signature',
  'Received a message intended for a different session.': 'other_instance',
  'Not ready to encrypt.': 'wrong_state',
  'Must be encrypted for SMP.': 'wrong_state',
  'Message cannot be sent at this time.': 'wrong_state',
  'Protocol v3 required.': 'not_in_version',
  'Message is too long.': 'too_long',
  'Filename is too long.': 'too_long',
}
const reasonOf = (words) => REASONS[words] || null

const POLICIES = [
  'allow_v2', 'allow_v3', 'require_encryption', 'send_whitespace_tag', 'whitespace_start_ake', 'error_start_ake',
]

// Converts between a string with one character per byte and Unicode.
function toUnicode (bytes, what) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    throw new Unsupported(`the library takes Unicode, and this ${what} is not UTF-8`)
  }
}
const toBytes = (text) => Buffer.from(text, 'utf8').toString('latin1')
const toHex = (bytes) => Buffer.from(bytes, 'latin1').toString('hex')

// An endless stream of bytes derived from the seed.
function newTape (seed) {
  let pending = Buffer.alloc(0)
  let block = 0n
  return (size) => {
    while (pending.length < size) {
      const number = Buffer.alloc(8)
      number.writeBigUInt64BE(block++)
      pending = Buffer.concat([pending, crypto.createHash('sha256').update(seed, 'hex').update(number).digest()])
    }
    const taken = pending.subarray(0, size)
    pending = pending.subarray(size)
    return taken
  }
}

// A private key in the library's format: the public key and x, each number preceded by its length.
function importKey (key) {
  const fields = ['p', 'q', 'g', 'y', 'x'].map((name) => {
    if (!key || !/^[0-9a-f]+$/.test(key[name])) throw new Invalid(`key.${name} is no hexadecimal number`)
    const digits = key[name].replace(/^0+/, '')
    const number = Buffer.from(digits.length % 2 ? '0' + digits : digits, 'hex')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(number.length)
    return Buffer.concat([length, number])
  })
  return DSA.parsePrivate(Buffer.concat([Buffer.alloc(2), ...fields]).toString('base64'))
}

class Party {
  constructor (params) {
    this.events = []
    this.tape = params.seed === null || params.seed === undefined ? null : newTape(params.seed)
    current = this
    const options = { priv: importKey(params.key) }
    if (params.instance_tag) options.instance_tag = HLP.packINT(params.instance_tag)
    if (params.max_message_size) options.fragment_size = params.max_message_size
    this.otr = new OTR(options)
    this.version = null // in the last handshake
    this.fingerprint = null // the correspondent's, in the last handshake
    this.listen()
    this.setPolicy(params.policy)
  }

  get ourTag () { return HLP.readLen(this.otr.our_instance_tag) }

  get instance () {
    return this.version === CONST.OTR_VERSION_3 ? HLP.readLen(this.otr.their_instance_tag) : 0
  }

  get encrypted () { return this.otr.msgstate === CONST.MSGSTATE_ENCRYPTED }

  // Whether the library waits for our user to answer the correspondent's SMP request.
  get asked () { return !!this.otr.sm && this.otr.sm.smpstate === CONST.SMPSTATE_EXPECT0 }

  note (event, fields) { this.events.push({ event, ...fields }) }

  listen () {
    const { otr } = this
    // In the clear, io passes on the Unicode text given to send; everything else is ASCII. If the library emits
    // something that is not a string, the driver converts it to one.
    otr.on('io', (message) => this.note('outgoing_message', { message: toBytes(String(message)) }))
    otr.on('ui', (text, secure) => this.note('text_received', {
      text: secure ? toBytes(text) : text, secure, warn: this.unencrypted, instance: secure ? this.instance : 0,
    }))
    otr.on('status', (status) => this.heardStatus(status))
    otr.on('error', (words, severity) => this.heardNotice(words, severity))
    otr.on('smp', (kind, what) => this.heardSmp(kind, what))
    otr.on('file', (way, key, name) => this.note('extra_key_derived', {
      instance: this.instance,
      received: way === 'receive',
      use: way === 'receive' ? null : 1, // not told for a received one
      data: toBytes(name),
      key: toHex(key),
    }))
    const { error } = otr
    otr.error = (words) => {
      console.error(words)
      const fields = { reason: reasonOf(words), field: null, offset: null }
      if (this.kind === 'data') this.note('message_unreadable', { instance: this.instance, ...fields })
      else this.note('message_rejected', fields)
      this.inError = true
      try {
        error.call(otr, words)
      } finally {
        this.inError = false
      }
    }
  }

  heardStatus (status) {
    const { otr } = this
    if (status === CONST.STATUS_END_OTR) {
      // endOtr reports this in plaintext, too, when there is nothing to end.
      if (this.action === 'receive') this.note('peer_ended_session', { instance: this.instance })
      else if (this.stateBefore !== CONST.MSGSTATE_PLAINTEXT) this.note('user_ended_session', { instance: this.instance })
    }
    if (status !== CONST.STATUS_AKE_SUCCESS) return
    const fingerprint = otr.their_priv_pk.fingerprint()
    const refreshed = this.stateBefore === CONST.MSGSTATE_ENCRYPTED
    this.version = otr.ake.otr_version
    this.note('session_established', {
      instance: this.instance,
      version: HLP.unpackSHORT(this.version),
      ssid: toHex(otr.ssid),
      fingerprint,
      sent_reveal_signature: otr.transmittedRS,
      refreshed,
      same_key: refreshed && fingerprint === this.fingerprint,
    })
    this.fingerprint = fingerprint
  }

  // The library's 'error' event is for any notice to the user, including warnings and the peer's Error Messages.
  heardNotice (words, severity) {
    if (this.inError) return
    if (this.kind === 'error') {
      this.note('error_message_received', { text: words })
      return
    }
    console.error(`${severity}: ${words}`)
    if (words === 'Received an unencrypted message.') this.unencrypted = true
    else if (this.action !== 'receive') this.note('action_refused', { action: this.action, reason: reasonOf(words) })
    else this.note('message_rejected', { reason: reasonOf(words), field: null, offset: null })
  }

  heardSmp (kind, what) {
    const { instance } = this
    if (kind === 'question') {
      this.note('smp_requested', { instance, question: what === undefined ? null : toBytes(what) })
    } else if (kind === 'trust') {
      this.note('smp_finished', { instance, equal: what })
    } else if (kind === 'abort' && this.action === 'receive') {
      // The user's own abort is not reported. For an abort by the library, the reason is unknown.
      this.note('smp_aborted', { instance, reason: this.aborting ? null : 'peer_aborted' })
    }
  }

  // Carry out one action and return the events of the call.
  act (action, todo) {
    current = this
    Object.assign(this, { action, events: [], kind: undefined, unencrypted: false, aborting: false })
    this.stateBefore = this.otr.msgstate
    waiting.length = 0 // a failed call may have left functions behind
    todo()
    return { events: this.events }
  }

  setPolicy (policy) {
    for (const name of policy) if (!POLICIES.includes(name)) throw new Unsupported(`the library has no policy ${name}`)
    for (const name of POLICIES) this.otr[name.toUpperCase()] = policy.includes(name)
  }

  addressed ({ instance }) {
    if (instance !== undefined && instance !== null && instance !== this.instance) {
      throw new Unsupported('the library has one instance of the correspondent, and it is another one')
    }
  }

  secret (params) {
    this.otr.smpSecret(
      toUnicode(params.secret, 'secret'),
      typeof params.question === 'string' ? toUnicode(params.question, 'question') : undefined,
    )
  }
}

const ACTIONS = {
  receive: (party, { message }) => party.otr.receiveMsg(message),
  send (party, { text, padding }) {
    if (padding !== undefined && padding !== null) throw new Unsupported('the library does not pad')
    party.otr.sendMsg(toUnicode(text, 'text'))
  },
  start: (party) => party.otr.sendQueryMsg(),
  end: (party) => party.otr.endOtr(),
  smp_start (party, params) {
    if (party.asked) throw new Unsupported('the library has one call for both: now it would answer')
    if (params.question === '') throw new Unsupported('the library has no empty question')
    party.secret(params)
  },
  smp_answer (party, params) {
    if (!party.asked) throw new Unsupported('the library has one call for both: now it would start')
    party.secret(params)
  },
  smp_abort (party) {
    if (!party.otr.sm) throw new Unsupported('the library has nothing to abort SMP with before it has begun')
    party.otr.sm.abort()
  },
  extra_key (party, { use, data }) {
    if (use !== 1 || data === '') throw new Unsupported('the library uses the extra key for files with a name only')
    party.otr.sendFile(toUnicode(data, 'data'))
  },
  set_policy: (party, { policy }) => party.setPolicy(policy),
  set_time () {},
}

const parties = new Map()

const METHODS = {
  hello: () => ({
    protocol: 2,
    name: 'otrjs',
    version: require('otr/package.json').version,
    otr_versions: [2, 3],
    capabilities: [
      'v2', 'v3', 'smp', 'smp_question', 'smp_abort', 'extra_key', 'fragmentation_out', 'instance_tags', 'policy',
      'whitespace_tag', 'stored_messages',
    ],
    randomness: 'seed',
  }),
  create (params) {
    const party = new Party(params)
    parties.set(params.party, party)
    return { instance_tag: party.ourTag, fingerprint: party.otr.priv.fingerprint() }
  },
  close (params) { parties.delete(params.party); return {} },
  reset () { parties.clear(); return {} },
  shutdown () { serving = false; return {} },
}

const BYTES = ['message', 'text', 'secret', 'question', 'data']

function call (method, params) {
  if (Object.hasOwn(METHODS, method)) return METHODS[method](params)
  const party = parties.get(params.party)
  if (!party) throw new Invalid(`there is no party ${JSON.stringify(params.party)}`)
  for (const name of BYTES) {
    if (/[^\0-\xff]/.test(params[name] ?? '')) throw new Invalid(`${name}: a character above U+00FF is no byte`)
  }
  party.addressed(params)
  return party.act(method, () => ACTIONS[method](party, params))
}

function answer (line) {
  let id = null
  const failed = (code, message) => ({ jsonrpc: '2.0', id, error: { code, message } })
  let request
  try {
    request = JSON.parse(line)
  } catch (error) {
    return failed(-32700, `not JSON: ${error.message}`)
  }
  id = request.id ?? null
  const { method, params = {} } = request
  if (!Object.hasOwn(METHODS, method) && !Object.hasOwn(ACTIONS, method)) return failed(-32601, `no method ${method}`)
  try {
    return { jsonrpc: '2.0', id, result: call(method, params) }
  } catch (error) {
    if (error instanceof Unsupported) return failed(-32001, error.message)
    if (error instanceof Invalid) return failed(-32602, error.message)
    console.error(error)
    return failed(-32002, String(error))
  }
}

let serving = true

// Read and write without Node's event loop: the driver waits only for the next request.
function serve () {
  const chunk = Buffer.alloc(1 << 16)
  let parts = []
  for (;;) {
    const size = fs.readSync(0, chunk)
    if (size === 0) return
    let from = 0
    for (let end; (end = chunk.subarray(0, size).indexOf(10, from)) >= 0; from = end + 1) {
      parts.push(Buffer.from(chunk.subarray(from, end)))
      const line = Buffer.concat(parts).toString('utf8')
      parts = []
      let out = Buffer.from(JSON.stringify(answer(line)) + '\n')
      while (out.length) out = out.subarray(fs.writeSync(1, out))
      if (!serving) return
    }
    parts.push(Buffer.from(chunk.subarray(from, size)))
  }
}

serve()
