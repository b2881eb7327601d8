// Checks the JavaScript library otr (npm, 0.2.16) with the vectors of a folder.
//
//   npm install --prefix FOLDER otr@0.2.16 && NODE_PATH=FOLDER/node_modules node check.js [VECTORS [KNOWN]]
//
// `ask` has a function for each operation that is asked of the library here. It gets a group and a case, and returns
// what the library makes of them by the names of `expect`; null where the library refuses; undefined to skip the case.
// KNOWN has the cases that the library is known to fail, with the reason. The exit code is 1 where another case fails,
// where one of these passes, and where nothing was checked.
'use strict'

const fs = require('fs')
const path = require('path')
const { DSA, OTR } = require('otr')
const HLP = require('otr/lib/helpers.js')
const BigNum = require('otr/vendor/bigint.js')

const MODULUS = BigNum.str2bigInt(OTR.CONST.N, 16)
const KINDS = { 2: 'dh_commit', 3: 'data', 10: 'dh_key', 17: 'reveal_signature', 18: 'signature' }

global.setTimeout = (todo) => todo() // the library sends from a timer; here, before a call returns
const pair = OTR.prototype.dh()
OTR.prototype.dh = () => pair // each fresh client would make several D-H keys, which takes long

// The library's strings have one character a byte, and its numbers are arrays.
const bytes = (hex) => Buffer.from(hex, 'hex').toString('latin1')
const hex = (string) => Buffer.from(string, 'latin1').toString('hex')
const number = (digits) => BigNum.str2bigInt(digits, 16)
const digits = (value) => BigNum.bigInt2str(value, 16).toLowerCase().replace(/^0+(?=.)/, '')
const mapped = (object, change) => Object.fromEntries(Object.entries(object).map(([k, v]) => [k, change(v)]))

// A fresh client, as a function that hears a message and returns what comes of it.
function client (policy, tag, key) {
  const otr = new OTR({ priv: new DSA(mapped(key, number)), instance_tag: HLP.packINT(tag) })
  const names = ['allow_v2', 'allow_v3', 'require_encryption', 'whitespace_start_ake', 'error_start_ake']
  for (const name of names) otr[name.toUpperCase()] = policy.includes(name)
  let heard
  otr.on('io', (message) => heard.sent.push(message))
  otr.on('ui', (text) => heard.shown.push(text))
  otr.on('error', (words) => heard.errors.push(words))
  return (message) => {
    heard = { sent: [], shown: [], errors: [] }
    otr.receiveMsg(message)
    return heard
  }
}

function kind (message) {
  if (message.startsWith('?OTR:')) return KINDS[Buffer.from(message.slice(5), 'base64')[2]]
  if (message.startsWith('?OTR Error:')) return 'error'
  return /^\?OTR\??v/.test(message) ? 'query' : 'plaintext'
}

const ask = {
  value ({ type }, { encoded }) {
    const given = bytes(encoded)
    const [value] = HLP.splitype([type], given)
    if (value.length < given.length) return null // the value is to be all there is
    if (type === 'MPI') return { number: digits(HLP.readMPI(value)) }
    if (type === 'INT') return { number: HLP.readLen(value).toString(16) }
    if (type === 'SHORT') return { number: HLP.unpackSHORT(value).toString(16) }
    if (type === 'BYTE') return { number: value.charCodeAt(0).toString(16) }
    return { bytes: hex(type === 'DATA' ? value.slice(4) : value) }
  },
  public_key (_, { encoded }) {
    const key = DSA.parsePublic(bytes(encoded))
    return { fingerprint: key.fingerprint(), ...mapped({ p: key.p, q: key.q, g: key.g, y: key.y }, digits) }
  },
  verify ({ key }, { mac, signature }) {
    if (signature.length !== 80) return null // the library cuts 40 bytes out of a message
    const [r, s] = [signature.slice(0, 40), signature.slice(40)].map(number)
    return DSA.verify(new DSA(mapped(key, number)), bytes(mac), r, s) ? {} : null
  },
  session_keys (_, given) {
    const [privateKey, theirs] = [number(given.private), number(given.their_public)]
    if (!HLP.checkGroup(theirs, BigNum.sub(MODULUS, number('2')))) return null // as the library does before
    const publicKey = BigNum.powMod(number(OTR.CONST.G), privateKey, MODULUS)
    const keys = new OTR.prototype.DHSession({ privateKey, publicKey }, theirs)
    const sending = { sending_aes: hex(keys.sendenc), sending_mac: hex(keys.sendmac) }
    const receiving = { receiving_aes: hex(keys.rcvenc), receiving_mac: hex(keys.rcvmac) }
    return { our_public: digits(publicKey), ...sending, ...receiving, extra_key: hex(keys.extra_symkey) }
  },
  assembly ({ policy, instance_tag: tag }, { messages }) {
    const hear = client(policy, tag, {})
    const yields = messages.map((message) => hear(message).errors[0] ?? null) // what is assembled are Error Messages
    return yields.every((text) => text === null) ? null : { yields }
  },
  play ({ party, prefix }, { steps }) {
    const [{ action, args }] = steps
    // Whatever else there is needs a client that draws its randomness from `entropy`.
    if (prefix.length || steps.length > 1 || action !== 'receive' || party.max_message_size) return undefined
    const { sent, shown } = client(party.policy, party.instance_tag || 0x1a1a, party.key)(args.message)
    return { sends: sent.map(kind), shows: shown }
  },
}

// What is wrong with a case, null if nothing is, undefined if it was skipped.
function check (group, test) {
  let found
  try {
    found = ask[group.operation]?.(group, test)
  } catch (error) {
    return `throws ${error}`
  }
  if (found === undefined) return undefined
  const differs = ({ result, expect }) => {
    if (group.operation !== 'play' && (found !== null) !== (result === 'valid')) return `the case is ${result}`
    return Object.keys(found ?? {}).find((name) => JSON.stringify(found[name]) !== JSON.stringify(expect[name])) ?? null
  }
  const problems = Object.values(test.results ?? { only: test }).map(differs) // the library may follow any reading
  return problems.includes(null) ? null : problems[0]
}

const [folder = path.join(__dirname, '../..'), knownFile = path.join(__dirname, 'known.json')] = process.argv.slice(2)
const known = JSON.parse(fs.readFileSync(knownFile)) // why a case fails, by its id
let checked = 0
for (const name of fs.readdirSync(folder).filter((file) => file.endsWith('.json')).sort()) {
  const { kind, groups } = JSON.parse(fs.readFileSync(path.join(folder, name)))
  const failed = []
  let [passed, asKnown, skipped] = [0, 0, 0]
  for (const [group, test] of groups.flatMap((group) => group.cases.map((test) => [group, test]))) {
    const problem = check(group, test)
    if (problem === undefined) skipped++
    else if (problem === null && known[test.id]) failed.push(`${test.id}: known to fail, and passes`)
    else if (problem === null) passed++
    else if (known[test.id]) asKnown++
    else failed.push(`${test.id}: ${problem}`)
  }
  checked += passed + asKnown + failed.length
  console.log(`${kind}: ${passed} passed, ${asKnown} fail as known, ${failed.length} failed, ${skipped} skipped`)
  for (const line of failed) console.log(`  FAILED ${line}`)
  if (failed.length) process.exitCode = 1
}
if (!checked) throw new Error(`no case in ${folder} could be checked`)
