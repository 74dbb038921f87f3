// The modules of the page that need no browser, for node --test. Bundled by support/build_pure.mjs.
export * from '../../../web/src/api/stream';
export * from '../../../web/src/base/ansi';
export * from '../../../web/src/base/copy_as';
export * from '../../../web/src/base/format';
export * from '../../../web/src/base/params';
export * from '../../../web/src/base/states';
export * from '../../../web/src/base/time';
export * from '../../../web/src/base/url';
export * from '../../../web/src/graph/layers';
export * from '../../../web/src/graph/model';
export * from '../../../web/src/grid/decode';
export * from '../../../web/src/grid/model';
export * from '../../../web/src/store/patches';
export { windowOf } from '../../../web/src/ui/rows';
export { binned, statesOf } from '../../../web/src/ui/strip';
