/** The one part of a `multipart/related` answer to a request for one frame (PS3.18 8.6.1.2, RFC 2387). */

export interface Part {
  contentType: string;
  transferSyntaxUid: string;
  bytes: Uint8Array;
}

const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';

const SYNTAX_OF_MEDIA_TYPE: Record<string, string> = {
  'image/jpeg': '1.2.840.10008.1.2.4.70',
  'image/x-dicom-rle': '1.2.840.10008.1.2.5',
  'image/dicom-rle': '1.2.840.10008.1.2.5',
  'image/jls': '1.2.840.10008.1.2.4.80',
  'image/x-jls': '1.2.840.10008.1.2.4.80',
  'image/jp2': '1.2.840.10008.1.2.4.90',
  'image/jphc': '1.2.840.10008.1.2.4.201',
  'image/jxl': '1.2.840.10008.1.2.4.110',
};

/** The transfer syntax a part is in: stated, or the default of its media type (PS3.18 table 8.7.3-2). */
export function transferSyntaxOf(contentType: string): string {
  const stated = /;\s*transfer-syntax\s*=\s*"?([0-9.]+)"?/i.exec(contentType);
  if (stated?.[1]) return stated[1];
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  return SYNTAX_OF_MEDIA_TYPE[mediaType] ?? EXPLICIT_LITTLE_ENDIAN;
}

const latin1 = new TextDecoder('latin1');

function indexOf(haystack: Uint8Array, needle: Uint8Array, from: number): number {
  const [first] = needle;
  if (first === undefined) return -1;
  let at = haystack.indexOf(first, from);
  while (at >= 0 && at + needle.length <= haystack.length) {
    let matched = 1;
    while (matched < needle.length && haystack[at + matched] === needle[matched]) matched += 1;
    if (matched === needle.length) return at;
    at = haystack.indexOf(first, at + 1);
  }
  return -1;
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

export function firstPart(contentType: string, body: Uint8Array): Part {
  if (!contentType.toLowerCase().includes('multipart/')) {
    return { contentType, transferSyntaxUid: transferSyntaxOf(contentType), bytes: body };
  }
  const boundary = /boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  const delimiter = bytesOf(`--${boundary?.[1] ?? boundary?.[2] ?? ''}`);
  const start = indexOf(body, delimiter, 0);
  const headersEnd = start < 0 ? -1 : indexOf(body, bytesOf('\r\n\r\n'), start);
  if (!boundary || headersEnd < 0) throw new Error('The answer has no readable part.');
  const headers = latin1.decode(body.subarray(start + delimiter.length, headersEnd));
  const partType = /^content-type:\s*(.+)$/im.exec(headers)?.[1]?.trim() ?? 'application/octet-stream';
  const stated = Number(/^content-length:\s*(\d+)\s*$/im.exec(headers)?.[1] ?? Number.NaN);
  const from = headersEnd + 4;
  // With a stated length the pixels need not be searched. The delimiter's line break is no part of them.
  const closing = `\r\n${latin1.decode(delimiter)}`;
  const end = from + stated <= body.length ? from + stated : indexOf(body, bytesOf(closing), from);
  if (end < 0) throw new Error('The answer ends before its part does.');
  return {
    contentType: partType,
    transferSyntaxUid: transferSyntaxOf(partType),
    bytes: body.subarray(from, end),
  };
}
