/** The token that goes back with everything that changes something (header X-CSRF-Token). It lives as long as the page. */
let token: string | null = null;

export function setCsrfToken(value: string | null): void {
  token = value;
}

export function csrfToken(): string | null {
  return token;
}
