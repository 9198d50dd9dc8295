// The nodes' own authority, and what it signs: servers by address and name, clients by name and group.
import { generate } from 'selfsigned'

export interface Signed {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  readonly cert: string
  server(name: string, hosts: { addresses?: readonly string[]; names?: readonly string[] }): Promise<Signed>
  client(name: string): Promise<Signed>
}

const common = { keyType: 'ec', algorithm: 'sha256' } as const

export async function makeAuthority(name: string): Promise<Authority> {
  const own = await generate([{ name: 'commonName', value: name }], {
    ...common,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  })
  const ca = { key: own.private, cert: own.cert }
  return {
    cert: own.cert,
    async server(commonName, { addresses = [], names = [] }) {
      const made = await generate([{ name: 'commonName', value: commonName }], {
        ...common,
        ca,
        extensions: [
          { name: 'basicConstraints', cA: false },
          { name: 'extKeyUsage', serverAuth: true },
          {
            name: 'subjectAltName',
            altNames: [
              ...names.map((value) => ({ type: 2 as const, value })),
              ...addresses.map((ip) => ({ type: 7 as const, ip })),
            ],
          },
        ],
      })
      return { cert: made.cert, key: made.private }
    },
    async client(commonName) {
      const made = await generate([{ name: 'commonName', value: commonName }], {
        ...common,
        ca,
        extensions: [
          { name: 'basicConstraints', cA: false },
          { name: 'extKeyUsage', clientAuth: true },
        ],
      })
      return { cert: made.cert, key: made.private }
    },
  }
}
