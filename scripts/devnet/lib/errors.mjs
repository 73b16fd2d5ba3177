/** A request that cannot be served: `status` is the HTTP status and the `code` of the answer. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** What the caller sent is not what the method takes. */
export function invalid(message) {
  return new ApiError(422, message);
}
