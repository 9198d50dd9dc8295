// The hook service, for those who run it: in their own process, or as one.
export { serve } from './serve.ts'
export { createServer, type ServerOptions } from './server.ts'
