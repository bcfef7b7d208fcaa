// Drives the official JavaScript client against the server of the kubeconfig that is given:
// CRUD on built-in and custom kinds, and an informer. It prints "ok" at the end; the first
// thing that is not as it should be ends it with exit code 1.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as k8s from '@kubernetes/client-node';

const [kubeconfig, widgetsFile] = process.argv.slice(2);
const kc = new k8s.KubeConfig();
kc.loadFromFile(kubeconfig);
const core = kc.makeApiClient(k8s.CoreV1Api);
const custom = kc.makeApiClient(k8s.CustomObjectsApi);
const extensions = kc.makeApiClient(k8s.ApiextensionsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(kc);
const namespace = 'js';

// fails asserts that a call ends with this code and reason.
async function fails(code, reason, call) {
  await assert.rejects(call, (e) => {
    assert.equal(e.code, code, String(e));
    assert.equal(JSON.parse(e.body).reason, reason);
    return true;
  });
}

// until polls: what it waits for happens in the server or in the informer.
async function until(what, check) {
  const end = Date.now() + 30_000;
  while (!(await check())) {
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const patchAs = (strategy) => k8s.setHeaderOptions('Content-Type', strategy);

async function builtIn() {
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  const body = { metadata: { name: 'one', labels: { app: 'x' } }, data: { k: '1' } };
  const made = await core.createNamespacedConfigMap({ namespace, body });
  assert.ok(made.metadata.uid && made.metadata.creationTimestamp instanceof Date);
  await fails(409, 'AlreadyExists', core.createNamespacedConfigMap({ namespace, body }));
  await fails(404, 'NotFound', core.readNamespacedConfigMap({ namespace, name: 'nope' }));

  made.data.k = '2';
  const replaced = await core.replaceNamespacedConfigMap({ namespace, name: 'one', body: made });
  assert.equal(replaced.data.k, '2');
  await fails(409, 'Conflict', core.replaceNamespacedConfigMap({ namespace, name: 'one', body: made }));

  for (const [strategy, patch, want] of [
    [k8s.PatchStrategy.JsonPatch, [{ op: 'replace', path: '/data/k', value: '3' }], '3'],
    [k8s.PatchStrategy.MergePatch, { data: { k: '4' } }, '4'],
    [k8s.PatchStrategy.StrategicMergePatch, { data: { k: '5' } }, '5'],
  ]) {
    const patched = await core.patchNamespacedConfigMap({ namespace, name: 'one', body: patch }, patchAs(strategy));
    assert.equal(patched.data.k, want);
  }
  for (let i = 0; i < 7; i++) {
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: `page-${i}`, labels: { app: 'y' } } } });
  }
  const names = [];
  let _continue;
  do {
    const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'app=y', limit: 3, _continue });
    names.push(...page.items.map((i) => i.metadata.name));
    _continue = page.metadata._continue;
  } while (_continue);
  assert.deepEqual(names, [0, 1, 2, 3, 4, 5, 6].map((i) => `page-${i}`));
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'app=y' });
  await core.deleteNamespacedConfigMap({ namespace, name: 'one' });
  const left = await core.listNamespacedConfigMap({ namespace, labelSelector: 'app' });
  assert.equal(left.items.length, 0);
}

async function customKind() {
  const crd = k8s.loadYaml(readFileSync(widgetsFile, 'utf8'));
  await extensions.createCustomResourceDefinition({ body: crd });
  const at = { group: 'example.com', version: 'v1', namespace, plural: 'widgets' };
  const body = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' }, spec: { size: 3 } };
  const made = await custom.createNamespacedCustomObject({ ...at, body });
  assert.equal(made.spec.color, 'red');
  await fails(422, 'Invalid', custom.createNamespacedCustomObject({ ...at, body: { ...body, metadata: { name: 'v' }, spec: { size: 99 } } }));
  const patched = await custom.patchNamespacedCustomObject({ ...at, name: 'w', body: { spec: { size: 4 } } }, patchAs(k8s.PatchStrategy.MergePatch));
  assert.equal(patched.spec.size, 4);
  const status = await custom.patchNamespacedCustomObjectStatus({ ...at, name: 'w', body: { status: { phase: 'Up' } } }, patchAs(k8s.PatchStrategy.MergePatch));
  assert.equal(status.status.phase, 'Up');
  const list = await custom.listNamespacedCustomObject(at);
  assert.equal(list.kind, 'WidgetList');
  assert.equal(list.items.length, 1);

  // The client that finds its way by discovery.
  const read = await objects.read({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w', namespace } });
  read.spec.size = 5;
  const replaced = await objects.replace(read);
  assert.equal(replaced.spec.size, 5);
  const applied = await objects.patch({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w', namespace }, spec: { size: 6 } }, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
  assert.equal(applied.spec.size, 6);
  await objects.delete({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w', namespace } });
  await fails(404, 'NotFound', custom.getNamespacedCustomObject({ ...at, name: 'w' }));
}

async function informer() {
  const told = new Map();
  const errors = [];
  let connects = 0;
  const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'watched' });
  const watching = k8s.makeInformer(kc, `/api/v1/namespaces/${namespace}/configmaps`, list, 'watched');
  watching.on('add', (o) => told.set(o.metadata.name, o.data?.k));
  watching.on('update', (o) => told.set(o.metadata.name, o.data?.k));
  watching.on('delete', (o) => told.delete(o.metadata.name));
  watching.on('connect', () => connects++);
  watching.on('error', (e) => errors.push(e));
  const labels = { watched: '' };
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a', labels }, data: { k: '1' } } });
  await watching.start();
  await until('the first object', () => told.get('a') === '1');
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'b', labels }, data: { k: '2' } } });
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'unwatched' } } });
  await core.patchNamespacedConfigMap({ namespace, name: 'a', body: { data: { k: '3' } } }, patchAs(k8s.PatchStrategy.MergePatch));
  await until('a change', () => told.get('a') === '3' && told.get('b') === '2');
  await core.patchNamespacedConfigMap({ namespace, name: 'b', body: { metadata: { labels: { watched: null } } } }, patchAs(k8s.PatchStrategy.MergePatch));
  await until('an object that does not match any more', () => !told.has('b'));
  await core.deleteNamespacedConfigMap({ namespace, name: 'a' });
  await until('a deletion', () => told.size === 0 && watching.list().length === 0);
  await watching.stop();
  assert.equal(connects, 1);
  // A stopped request may be told as an aborted one.
  assert.deepEqual(errors.filter((e) => e.name !== 'AbortError'), []);

  // A watch that ends by itself starts again where it was.
  const seen = [];
  const { metadata } = await list();
  const from = async (resourceVersion) => {
    let done;
    const end = new Promise((resolve) => (done = resolve));
    await new k8s.Watch(kc).watch(`/api/v1/namespaces/${namespace}/configmaps`, { resourceVersion, timeoutSeconds: 1, allowWatchBookmarks: true }, (type, o) => {
      resourceVersion = o.metadata.resourceVersion;
      if (type !== 'BOOKMARK') seen.push(`${type} ${o.metadata.name}`);
    }, done);
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { generateName: 'gen-', labels: { n: String(seen.length) } } } });
    await end;
    return resourceVersion;
  };
  const middle = await from(metadata.resourceVersion);
  await from(middle);
  assert.equal(seen.length, 2, seen.join());
  assert.notEqual(seen[0], seen[1]);
}

await builtIn();
await customKind();
await informer();
await core.deleteNamespace({ name: namespace });
await until('the namespace is gone', () => core.readNamespace({ name: namespace }).then(() => false, (e) => e.code === 404));
console.log('ok');
process.exit(0);
