import { type OciErrorCode, ociError } from '../oci/index.ts'
import type { Reply, ReplyHeaders } from './reply.ts'

const API_VERSION = { 'docker-distribution-api-version': 'registry/2.0' }

/** A complete answer with a small body; HEAD gets the same headers without it. */
export function documentReply(method: string, status: number, bytes: Uint8Array, headers: ReplyHeaders): Reply {
  const all = { ...API_VERSION, ...headers, 'content-length': String(bytes.byteLength) }
  return method === 'HEAD' ? { status, headers: all } : { status, headers: all, body: bytes }
}

/** JSON as an answer. */
export function jsonReply(method: string, status: number, value: unknown, headers: ReplyHeaders = {}): Reply {
  return documentReply(method, status, Buffer.from(JSON.stringify(value)), {
    'content-type': 'application/json',
    ...headers,
  })
}

/** An error as the distribution specification writes it. */
export function errorReply(
  method: string,
  status: number,
  code: OciErrorCode,
  message: string,
  headers: ReplyHeaders = {},
): Reply {
  return jsonReply(method, status, ociError(code, message), headers)
}

/** 405 for pushes and whatever else would change something. */
export function readOnlyReply(method: string, message: string): Reply {
  return errorReply(method, 405, 'UNSUPPORTED', message, { allow: 'GET, HEAD' })
}

/** The origin's 401, its challenges relayed as they are. */
export function challengeReply(method: string, challenges: readonly string[]): Reply {
  return errorReply(method, 401, 'UNAUTHORIZED', 'the registry wants credentials', { 'www-authenticate': challenges })
}
