/** Comma-separated files (RFC 4180). */
import { saveFile } from './saveFile';

function cellOf(value: string | number): string {
  // A leading sign would be a formula to a spreadsheet.
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csvOf = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, ...rows].map((row) => `${row.map(cellOf).join(',')}\r\n`).join('');

/** Gives the reader a table; the mark at its start tells spreadsheets that it is UTF-8. */
export const downloadCsv = (name: string, text: string): void =>
  saveFile(name, new Blob(['\ufeff', text], { type: 'text/csv;charset=utf-8' }));
