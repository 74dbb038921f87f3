import { defineConfig } from 'vite';

// The output goes where build.sh says; names carry a hash of the content, so that the daemon may
// call everything below assets/ immutable. Nothing is inlined: the CSP allows no data: script or
// style, and the same sources give the same bytes on every machine.
export default defineConfig({
  base: '/',
  publicDir: false,
  logLevel: 'warn',
  build: {
    outDir: process.env.NM_WEB_OUT ?? '../build/web/dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    sourcemap: false,
  },
  worker: { format: 'es' },
});
