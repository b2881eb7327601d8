// A consumer of the vectors: checks the JavaScript library otr (npm, 0.2.16) with the files of a folder.
//
//   NODE_PATH=FOLDER/node_modules node check.js [VECTORS [KNOWN]]     after: npm install --prefix FOLDER otr@0.2.16
//
// `ask` has a function for each operation that the library can do. It returns what the library makes of a case, by the
// names of `expect`, and refuses by throwing a Refused. Everything else is counted as skipped, with the reason. What the
// library is known to do wrong is in known.json, by file and a pattern for the rest of the case's id; other failures, and
// entries that no longer fit, make the exit code 1. Where a case has several readings the library may follow any of them.
'use strict'

const fs = require('fs')
const path = require('path')
global.setTimeout = (todo) => todo() // the library sends from a timer; here, before a call returns

const { DSA, OTR } = require('otr')
const HLP = require('otr/lib/helpers.js')
const AKE = require('otr/lib/ake.js')
const SM = require('otr/lib/sm.js')
const BigNum = require('otr/vendor/bigint.js')
const { CONST } = OTR
const { randomExponent } = HLP
const MODULUS = BigNum.str2bigInt(CONST.N, 16)

class Refused extends Error {}
class Skipped extends Error {}
const refuseIf = (wrong) => { if (wrong) throw new Refused() }

// The library's strings have one character a byte, and its numbers are arrays.
const bytes = (hex) => Buffer.from(hex, 'hex').toString('latin1')
const hex = (string) => Buffer.from(string, 'latin1').toString('hex')
const number = (digits) => BigNum.str2bigInt(digits, 16)
const digits = (value) => BigNum.bigInt2str(value, 16).toLowerCase().replace(/^0+(?=.)/, '')
const mapped = (object, change) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]))
const key = (fields) => new DSA(mapped(fields, number))

const NUMBERS = { BYTE: (raw) => raw.charCodeAt(0), SHORT: HLP.unpackSHORT, INT: HLP.readLen }
const SMP_NUMBERS = [
  ['g2a', 'c2', 'D2', 'g3a', 'c3', 'D3'],
  ['g2b', 'c2', 'D2', 'g3b', 'c3', 'D3', 'Pb', 'Qb', 'cP', 'D5', 'D6'],
  ['Pa', 'Qa', 'cP', 'D5', 'D6', 'Ra', 'cR', 'D7'],
  ['Rb', 'cR', 'D7'],
]
const KINDS = { 2: 'dh_commit', 3: 'data', 10: 'dh_key', 17: 'reveal_signature', 18: 'signature' }

// What a message is, by the names in `sends`.
function kind (message) {
  if (message.startsWith('?OTR:')) return KINDS[Buffer.from(message.slice(5), 'base64')[2]]
  if (message.startsWith('?OTR Error:')) return 'error'
  return /^\?OTR\??v/.test(message) ? 'query' : 'plaintext'
}

// A fresh client, and a function that hands it a message and returns what came of it.
function client (policy, tag, priv) {
  const otr = new OTR({ priv, instance_tag: HLP.packINT(tag) })
  for (const name of ['allow_v2', 'allow_v3', 'require_encryption', 'send_whitespace_tag', 'whitespace_start_ake',
    'error_start_ake']) otr[name.toUpperCase()] = policy.includes(name)
  const seen = {}
  otr.on('io', (message) => seen.sent.push(message))
  otr.on('ui', (text) => seen.shown.push(text))
  otr.on('error', (words) => seen.notices.push(words))
  return (message) => {
    Object.assign(seen, { sent: [], shown: [], notices: [] })
    otr.receiveMsg(message)
    return seen
  }
}

// One side of SMP, whose random exponents are given in the order in which the library draws them.
function smpSide (exponents, order, secret) {
  const side = new SM({ our_fp: '', their_fp: '', ssid: '' })
  const drawn = order.map((name) => number(exponents[name]))
  side.makeSecret = () => { side.secret = number(secret) }
  side.on('send', (_, tlv) => side.sent.push({ type: tlv.charCodeAt(2), msg: tlv.substring(5) }))
  side.on('trust', (equal) => { side.equal = equal })
  side.on('abort', () => { side.aborted = true })
  side.act = (todo) => {
    side.sent = []
    HLP.randomExponent = () => drawn.shift()
    todo()
    HLP.randomExponent = randomExponent
    return side.sent[0]
  }
  return side
}
const numbersOf = (tlv, at) =>
  Object.fromEntries(HLP.unpackMPIs(SMP_NUMBERS[at].length, tlv.msg.substring(4)).map((n, i) => [SMP_NUMBERS[at][i], digits(n)]))

const ask = {
  value ({ type }, { encoded }) {
    const given = bytes(encoded)
    const [raw] = HLP.splitype([type], given)
    refuseIf(raw.length < given.length) // the value is to be all there is
    if (type === 'MPI') return { number: digits(HLP.readMPI(raw)) }
    return NUMBERS[type] ? { number: NUMBERS[type](raw).toString(16) } : { bytes: hex(raw.substring(type === 'DATA' ? 4 : 0)) }
  },
  public_key (_, { encoded }) {
    const read = DSA.parsePublic(bytes(encoded))
    return { fingerprint: read.fingerprint(), ...mapped({ p: read.p, q: read.q, g: read.g, y: read.y }, digits) }
  },
  sign (group, { mac, random }) {
    const signer = key(group.key)
    const nonce = BigInt('0x' + random) % (BigInt('0x' + group.key.q) - 1n) + 1n
    signer.generateNonce = () => number(nonce.toString(16))
    return { signature: signer.sign(bytes(mac)).map((part) => hex(BigNum.bigInt2bits(part, 20))).join('') }
  },
  verify (group, { mac, signature }) {
    refuseIf(signature.length !== 80) // the library cuts 40 bytes out of a message
    const [r, s] = [number(signature.slice(0, 40)), number(signature.slice(40))]
    refuseIf(!DSA.verify(key(group.key), bytes(mac), r, s))
    return {}
  },
  handshake_keys (_, { s }) {
    const ake = { our_dh: { privateKey: number('1') } } // their public key is then s
    AKE.prototype.createKeys.call(ake, number(s))
    const named = { ssid: ake.ssid, c: ake.c, c_primed: ake.c_prime, m1: ake.m1, m2: ake.m2 }
    return mapped({ ...named, m1_primed: ake.m1_prime, m2_primed: ake.m2_prime }, hex)
  },
  session_keys (_, given) {
    const ours = { privateKey: number(given.private) }
    const theirs = number(given.their_public)
    ours.publicKey = BigNum.powMod(number(CONST.G), ours.privateKey, MODULUS)
    refuseIf(!HLP.checkGroup(theirs, BigNum.sub(MODULUS, number('2')))) // what the library does before
    const keys = new OTR.prototype.DHSession(ours, theirs)
    const named = { sending_aes: keys.sendenc, sending_mac: keys.sendmac, receiving_aes: keys.rcvenc }
    return {
      our_public: digits(ours.publicKey),
      ...mapped({ ...named, receiving_mac: keys.rcvmac, extra_key: keys.extra_symkey }, hex),
    }
  },
  open_signature (group, { encrypted_signature: encrypted, mac }) {
    const [c, m1, m2] = [group.c, group.m1, group.m2].map(bytes)
    const publics = [number(group.signer_public), number(group.other_public)]
    const field = HLP.packData(bytes(encrypted))
    const [wrong, keyid, signer] =
      AKE.prototype.verifySignMac(bytes(mac), field, m2, c, ...publics, m1, HLP.packCtr(0))
    refuseIf(wrong)
    return { fingerprint: signer.fingerprint(), keyid }
  },
  smp_secret (_, { initiator, responder, ssid, secret }) {
    const side = new SM({ our_fp: initiator, their_fp: responder, ssid: bytes(ssid) })
    side.makeSecret(true, secret)
    return { number: digits(side.secret) }
  },
  smp_run (_, given) {
    const alice = smpSide(given.initiator, ['a2', 'a3', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7'], given.x)
    const bob = smpSide(given.responder, ['b2', 'b3', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7'], given.y)
    const sent = [alice.act(() => alice.rcvSecret(''))]
    bob.act(() => bob.handleSM({ ...sent[0] }))
    sent.push(bob.act(() => bob.rcvSecret('')))
    for (const side of [alice, bob]) sent.push(side.act(() => side.handleSM({ ...sent.at(-1) })))
    alice.act(() => alice.handleSM({ ...sent[3] }))
    if (alice.equal !== bob.equal) throw new Error('the sides find different things')
    return { equal: alice.equal, ...Object.fromEntries(sent.map((tlv, at) => [`message_${at + 1}`, numbersOf(tlv, at)])) }
  },
  smp_check ({ message, known }, { value }) {
    const side = new SM({ our_fp: '', their_fp: '', ssid: '' })
    const names = { b3: 'a3', g3b: 'g3ao', g3a: 'g3ao', Pb: 'p', Qb: 'q', x: 'secret', PaPb: 'PoP', QaQb: 'QoQ' }
    for (const [name, kept] of Object.entries(known)) side[names[name] || name] = number(kept)
    side.smpstate = CONST[`SMPSTATE_EXPECT${message}`]
    const found = { aborted: false, equal: null }
    side.on('abort', () => { found.aborted = true })
    side.on('trust', (equal) => { found.equal = equal })
    side.handleSM({ type: message + 1, msg: bytes(value) })
    refuseIf(found.aborted)
    return { equal: found.equal }
  },
  offer ({ policy }, { text }) {
    const { sent, shown, notices } = client(policy, 0x1a1a, OUR_KEY)(text)
    const found = { shown: shown.length ? shown[0] : null, warned: notices.includes('Received an unencrypted message.') }
    if (sent.length) return { version: Buffer.from(sent[0].slice(5), 'base64')[1], ...found }
    throw Object.assign(new Refused(), { found })
  },
  assembly ({ instance_tag: tag, policy }, { messages }) {
    const hear = client(policy, tag, OUR_KEY)
    const yields = messages.map((message) => hear(message).notices[0] ?? null)
    refuseIf(yields.every((text) => text === null))
    return { yields }
  },
  play ({ party, prefix }, { steps }) {
    const [{ action, args }] = steps
    if (prefix.length || steps.length > 1) throw new Skipped('the client must draw the randomness in the file')
    if (action !== 'receive' || party.max_message_size) throw new Skipped('this program has only what is received whole')
    const { sent, shown } = client(party.policy, party.instance_tag || 0x1a1a, key(party.key))(args.message)
    return { sends: sent.map(kind), shows: shown }
  },
}
const OUR_KEY = new DSA({}) // a client that signs nothing
const ourPair = OTR.prototype.dh()
OTR.prototype.dh = () => ourPair // D-H keys take long, and each fresh client would make several

// What is wrong with a case in one outcome, '' if nothing is.
function differs (found, { result, expect }, isPlay) {
  if (!isPlay && found.valid !== (result === 'valid')) return `it is ${result}, and the library disagrees`
  const wrong = Object.keys(expect).find((name) => name in found && JSON.stringify(found[name]) !== JSON.stringify(expect[name]))
  return wrong ? `${wrong}: ${JSON.stringify(found[wrong]).slice(0, 80)}` : ''
}

function check (group, test) {
  if (!ask[group.operation]) throw new Skipped(`the library has no function for ${group.operation}`)
  let found
  try {
    found = { valid: true, ...ask[group.operation](group, test) }
  } catch (error) {
    if (error instanceof Skipped) throw error
    if (!(error instanceof Refused)) return `throws ${String(error).slice(0, 80)}`
    found = { valid: false, ...error.found }
  }
  const problems = Object.values(test.results || { only: test }).map((outcome) => differs(found, outcome, group.operation === 'play'))
  return problems.includes('') ? '' : problems[0]
}

const folder = process.argv[2] || path.join(__dirname, '..', '..')
const knownFile = process.argv[3] || path.join(__dirname, 'known.json')
const known = JSON.parse(fs.readFileSync(knownFile)).map((entry) => ({ ...entry, met: 0 }))
let unexpected = 0
for (const name of fs.readdirSync(folder).filter((file) => file.endsWith('.json')).sort()) {
  const file = JSON.parse(fs.readFileSync(path.join(folder, name)))
  const [skipped, failed] = [{}, []]
  const here = known.filter((entry) => entry.file === file.kind)
  let [passed, expected] = [0, 0]
  for (const group of file.groups) {
    for (const test of group.cases) {
      try {
        const problem = check(group, test)
        const entry = problem && here.find(({ cases }) => new RegExp(`^${file.kind}\\.${cases}$`).test(test.id))
        if (!problem) passed++
        else if (entry) expected++, entry.met++
        else failed.push(`${test.id} (${problem})`)
      } catch (error) {
        if (!(error instanceof Skipped)) throw error
        skipped[error.message] = (skipped[error.message] || 0) + 1
      }
    }
  }
  failed.push(...here.filter(({ met }) => !met).map(({ cases }) => `known.json: ${cases} fits no failure any more`))
  unexpected += failed.length
  const reasons = Object.entries(skipped).map(([why, count]) => `${count} skipped: ${why}`)
  console.log([`${name}: ${passed} passed, ${expected} fail as known, ${failed.length} failed`, ...reasons].join('; '))
  for (const line of failed) console.log(`  FAILED ${line}`)
}
process.exitCode = unexpected ? 1 : 0
