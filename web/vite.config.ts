import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { earlyStart } from './earlyStart';
import { faces } from './faces';

const server = process.env.FILMLESS_DEV_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: '/',
  plugins: [react(), earlyStart(), faces()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  // Cornerstone's decoders split their code; only ES module workers can do that.
  worker: { format: 'es' },
  optimizeDeps: {
    // Keeps `new URL('...wasm', import.meta.url)` of the loader intact in the development server.
    exclude: ['@cornerstonejs/dicom-image-loader'],
    // CommonJS leaves of an excluded package have to be named, or they have no default export.
    include: [
      'dicom-parser',
      '@cornerstonejs/dicom-image-loader > @cornerstonejs/codec-charls/decodewasmjs',
      '@cornerstonejs/dicom-image-loader > @cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs',
      '@cornerstonejs/dicom-image-loader > @cornerstonejs/codec-openjpeg/decodewasmjs',
      '@cornerstonejs/dicom-image-loader > @cornerstonejs/codec-openjph/wasmjs',
    ],
  },
  server: { proxy: { '/dicomweb': server, '/api': server } },
  build: {
    target: 'es2022',
    outDir: '../src/filmless/screen',
    emptyOutDir: true,
    chunkSizeWarningLimit: 6000,
  },
  test: { include: ['src/**/*.test.{ts,tsx}', 'eslint/**/*.test.js'], environment: 'node' },
});
