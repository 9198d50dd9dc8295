// Certificates for tests: a server's on 127.0.0.1, and a client's of the same authority.
import { generate } from 'selfsigned'

export interface Certificates {
  /** The server's certificate, which is the authority of the client's too. */
  cert: string
  key: string
  clientCert: string
  clientKey: string
}

export async function makeCertificates(commonName: string): Promise<Certificates> {
  const made = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
    clientCertificate: { cn: 'metacontroller' },
  })
  const { clientcert, clientprivate } = made
  if (clientcert === undefined || clientprivate === undefined) throw new Error('no client certificate was made')
  return { cert: made.cert, key: made.private, clientCert: clientcert, clientKey: clientprivate }
}
