/** The session is asked for before the app runs: everything behind the sign-in waits for it. */
export const API_ROOT = '/api/v1';
const SESSION = `${API_ROOT}/session`;

let asked: Promise<Response> | null = null;

export function askSessionEarly(): void {
  asked = fetch(SESSION, { credentials: 'same-origin' });
  asked.catch(() => undefined);
}

/** The early answer, to the app's first request when that asks for the same; later ones want to know how it is then. */
export function takeEarlyAnswer({ method, url }: Request): Promise<Response> | null {
  const answer = asked;
  asked = null;
  return method === 'GET' && new URL(url).pathname === SESSION ? answer : null;
}
