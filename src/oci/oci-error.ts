/** Error codes of the distribution specification, section "Error Codes". */
export const OCI_ERROR_CODES = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
] as const

export type OciErrorCode = (typeof OCI_ERROR_CODES)[number]

/** The JSON body of a registry's error answer. */
export interface OciErrorBody {
  readonly errors: readonly { readonly code: OciErrorCode; readonly message: string; readonly detail?: unknown }[]
}

/** The body that tells a client one error; `message` is for people and must not carry secrets. */
export function ociError(code: OciErrorCode, message: string, detail?: unknown): OciErrorBody {
  return { errors: [detail === undefined ? { code, message } : { code, message, detail }] }
}
