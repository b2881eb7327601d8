// Natter: Off-the-Record conversations for a web chat, on top of the npm package otr.
'use strict'

// otr sends through setTimeout. Natter promises that a message is on its way when the call returns, so this replacement runs
// the functions immediately, one after the other.
const waiting = []
let running = false
function atOnce (todo) {
  waiting.push(todo)
  if (running) return
  running = true
  try {
    while (waiting.length) waiting.shift()()
  } finally {
    running = false
    waiting.length = 0
  }
}
global.setTimeout = atOnce
const { DSA, OTR } = require('otr')
const helpers = require('otr/lib/helpers.js')

// A DSA key in otr's format: a type of two bytes, then p, q, g, y and x, each preceded by its length.
function importKey (numbers) {
  const fields = numbers.map((digits) => {
    const number = Buffer.from(digits.length % 2 ? '0' + digits : digits, 'hex')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(number.length)
    return Buffer.concat([length, number])
  })
  return DSA.parsePrivate(Buffer.concat([Buffer.alloc(2), ...fields]).toString('base64'))
}

// A conversation. listener: an object with the functions transmit(message), show(text, encrypted),
// encrypted({ version, tag, ssid, fingerprint }), ended(byFriend) and complain(words, action).
class Natter {
  constructor (key, version, listener) {
    this.otr = new OTR({ priv: importKey(key) })
    this.otr.ALLOW_V2 = version === 2
    this.otr.ALLOW_V3 = version === 3
    this.listener = listener
    this.otr.on('io', (message) => listener.transmit(String(message)))
    this.otr.on('ui', (text, encrypted) => listener.show(text, encrypted))
    this.otr.on('error', (words) => listener.complain(words, this.action))
    this.otr.on('status', (status) => this.heard(status))
  }

  get fingerprint () { return this.otr.priv.fingerprint() }
  get tag () { return helpers.readLen(this.otr.our_instance_tag) }

  heard (status) {
    const { otr, listener } = this
    if (status === OTR.CONST.STATUS_AKE_SUCCESS) {
      const version = helpers.unpackSHORT(otr.ake.otr_version)
      this.friendsTag = version === 3 ? helpers.readLen(otr.their_instance_tag) : 0
      const ssid = Buffer.from(otr.ssid, 'latin1').toString('hex')
      listener.encrypted({ version, tag: this.friendsTag, ssid, fingerprint: otr.their_priv_pk.fingerprint() })
    } else if (status === OTR.CONST.STATUS_END_OTR && this.before !== OTR.CONST.MSGSTATE_PLAINTEXT) {
      listener.ended(this.action === 'receive')
    }
  }

  act (action, todo) {
    this.action = action
    this.before = this.otr.msgstate
    todo()
  }

  receive (message) { this.act('receive', () => this.otr.receiveMsg(message)) }
  send (text) { this.act('send', () => this.otr.sendMsg(text)) }
  start () { this.act('start', () => this.otr.sendQueryMsg()) }
  end () { this.act('end', () => this.otr.endOtr()) }
}

module.exports.Natter = Natter
