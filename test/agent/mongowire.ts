// MongoDB's wire protocol on a server's side, for servers that tests make up: OP_MSG, the OP_QUERY of a driver's first
// question, and SCRAM-SHA-256. https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ and RFC 7677.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { BSON, type Document } from 'mongodb'

/** Answers a command; a `Refusal` that it throws becomes an answer with its code. Undefined: no answer, ever. */
export type Answer = (command: Document, session: Session) => Document | undefined

/** One connection. */
export interface Session {
  /** Who has logged in. */
  user?: string
  scram?: Conversation
}

interface Conversation {
  user: string
  first: string
  challenge: string
  nonce: string
}

export class Refusal extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

const opcodes = { reply: 1, query: 2004, msg: 2013 }

/** Serves on an address; the function that is given back ends it. */
export function serve(host: string, port: number, answer: Answer): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    converse(socket, answer)
  })
  const end = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve(end))
  })
}

function converse(socket: Socket, answer: Answer): void {
  const session: Session = {}
  let pending = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 16 && pending.length >= pending.readInt32LE(0)) {
      const message = pending.subarray(0, pending.readInt32LE(0))
      pending = pending.subarray(message.length)
      const command = commandIn(message)
      const reply = answered(command, session, answer)
      if (reply !== undefined) socket.write(framed(message, reply))
    }
  })
}

function answered(command: Document, session: Session, answer: Answer): Document | undefined {
  try {
    const found = answer(command, session)
    return found === undefined ? undefined : { ...found, ok: 1 }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { ok: 0, code: error.code, errmsg: error.message }
  }
}

function commandIn(message: Buffer): Document {
  if (message.readInt32LE(12) === opcodes.query) {
    const collectionEnd = message.indexOf(0, 20)
    return BSON.deserialize(message.subarray(collectionEnd + 9))
  }
  // After the flags, a section of kind 0: the command.
  return BSON.deserialize(message.subarray(21))
}

function framed(request: Buffer, document: Document): Buffer {
  const query = request.readInt32LE(12) === opcodes.query
  const body = BSON.serialize(document)
  const before = Buffer.alloc(query ? 20 : 5)
  if (query) before.writeInt32LE(1, 16)
  const header = Buffer.alloc(16)
  header.writeInt32LE(16 + before.length + body.length, 0)
  header.writeInt32LE(request.readInt32LE(4), 8)
  header.writeInt32LE(query ? opcodes.reply : opcodes.msg, 12)
  return Buffer.concat([header, before, body])
}

const salt = Buffer.from('salt of a test')
const iterations = 4096

/** saslStart and saslContinue: logs in whoever knows the password that `passwords` has for him. */
export function login(command: Document, session: Session, passwords: ReadonlyMap<string, string>): Document {
  const text = Buffer.from(command.payload.buffer).toString('utf8')
  if (command.saslStart !== undefined) {
    const first = text.slice('n,,'.length)
    const [, user = '', given = ''] = /^n=([^,]*),r=(.*)$/.exec(first) ?? []
    const nonce = given + randomBytes(9).toString('base64')
    const challenge = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`
    session.scram = { user, first, challenge, nonce }
    return { conversationId: 1, done: false, payload: Buffer.from(challenge) }
  }
  const { scram } = session
  const [final = '', proof = ''] = text.split(',p=')
  const password = passwords.get(scram?.user ?? '')
  if (scram === undefined || password === undefined) throw new Refusal(18, 'Authentication failed.')
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
  const message = [scram.first, scram.challenge, final].join(',')
  const signature = hmac(stored, message)
  const key = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0))
  if (!final.endsWith(`r=${scram.nonce}`) || !createHash('sha256').update(key).digest().equals(stored)) {
    throw new Refusal(18, 'Authentication failed.')
  }
  session.user = scram.user
  const verifier = hmac(hmac(salted, 'Server Key'), message).toString('base64')
  return { conversationId: 1, done: true, payload: Buffer.from(`v=${verifier}`) }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
