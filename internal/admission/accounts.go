package admission

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// ServiceAccount gives a new pod the account default unless it names one, and what comes with an
// account: a volume with a token of it, mounted where programs look for it, and the secrets by which
// images are pulled. A pod of an account that is not there is refused; default is waited for a moment,
// because whoever makes it follows the namespaces. A mirror pod, which a kubelet makes of a file on its
// node, has neither an account nor secrets.

const (
	// The account of pods that name none, which its controller makes in each namespace.
	defaultAccount = "default"
	// The volume of the token: the beginning of its name, and where programs look for the token in it.
	// Client libraries have the path built in.
	tokenVolume = "kube-api-access-"
	tokenPath   = "/var/run/secrets/kubernetes.io/serviceaccount"
	// tokenSeconds is how long a token is good that is renewed before.
	// It is an hour and a little, by which the maker of tokens knows those that were not asked for in
	// so many words, and lets them live longer.
	tokenSeconds = int64(3607)
	// The annotation of pods that a kubelet has from a file, and the one by which an account holds its
	// pods to the secrets that it lists.
	mirrorNote  = "kubernetes.io/config.mirror"
	enforceNote = "kubernetes.io/enforce-mountable-secrets"
)

// accountWait bounds how long the account default is waited for, and accountPoll is the time between
// two looks: upstream gives up after one to two seconds.
const (
	accountWait = time.Second
	accountPoll = 10 * time.Millisecond
)

// setAccount is the mutating act of ServiceAccount.
// It sets the account, the volume of its token and the secrets for pulling images, in this order, and
// judges the pod at once as its validating act will, so that nothing after it works on a pod that is
// refused anyway.
func (c *Chain) setAccount(ctx context.Context, a api.Admission) error {
	// A mirror pod runs already, on its node: there is nothing to give it, and only to see that it
	// claims no more than a file may.
	if isMirror(a.Object) {
		return c.checkAccount(ctx, a)
	}
	spec := specOf(a.Object)
	if tree.Text(spec, "serviceAccountName") == "" {
		// The second name is older. Both are always equal in what is stored.
		spec["serviceAccountName"], spec["serviceAccount"] = defaultAccount, defaultAccount
	}
	account, err := c.account(ctx, a)
	if err != nil {
		return err
	}
	// From here on the account is known to exist: what follows reads from it.
	if automounts(account, spec) {
		mountToken(spec)
	}
	// A pod that names secrets of its own gets none besides: upstream never mixes the two lists.
	if len(tree.List(spec, "imagePullSecrets")) == 0 {
		var secrets []any
		for _, ref := range tree.List(account, "imagePullSecrets") {
			secrets = append(secrets, map[string]any{"name": tree.Text(ref, "name")})
		}
		if secrets != nil {
			spec["imagePullSecrets"] = secrets
		}
	}
	return c.checkAccount(ctx, a)
}

// checkAccount is the validating act of ServiceAccount on a new pod.
// It asks the account again, since what changed the pod after setAccount may have named another one.
// Errors are 403.
func (c *Chain) checkAccount(ctx context.Context, a api.Admission) error {
	spec := specOf(a.Object)
	if isMirror(a.Object) {
		return checkMirror(a, spec)
	}
	account, err := c.account(ctx, a)
	// Most accounts let their pods use any secret of the namespace.
	if err != nil || !enforcesSecrets(account) {
		return err
	}
	if why := unreferenced(account, spec); why != "" {
		return a.Forbidden(why)
	}
	return nil
}

// checkEphemeral is its validating act on the ephemeral containers of a pod.
// They are judged alone: the rest of the pod was judged when it was made. The client sees a 500 without
// a reason, where a new pod gets a 403.
func (c *Chain) checkEphemeral(ctx context.Context, a api.Admission) error {
	account, err := c.account(ctx, a)
	if err != nil || !enforcesSecrets(account) {
		return err
	}
	if why := unreferencedIn(account, "ephemeral container", tree.List(a.Object, "spec", "ephemeralContainers")); why != "" {
		return status.Unexplained(why) // no refusal but a failure (upstream)
	}
	return nil
}

// isMirror reports whether a pod is the image of one that a kubelet has from a file. The annotation
// says so by being there; its value is a hash that nobody here reads.
func isMirror(pod map[string]any) bool {
	_, is := tree.Object(pod, "metadata", "annotations")[mirrorNote]
	return is
}

// account returns the account of a pod, or the 403 without one.
// The account default is waited for; others must be there. A pod that names none is refused
// too: only mirror pods may, and they are not asked about.
func (c *Chain) account(ctx context.Context, a api.Admission) (map[string]any, error) {
	name := tree.Text(a.Object, "spec", "serviceAccountName")
	if name == "" {
		return nil, a.Forbidden("no service account specified for pod " + a.Namespace + "/" + tree.Name(a.Object))
	}
	// The usual case costs one look, without a timer.
	account := c.objects.Get("serviceaccounts", a.Namespace, name)
	if account == nil && name == defaultAccount {
		account = c.awaitAccount(ctx, a.Namespace, name)
	}
	if account == nil {
		return nil, a.Forbidden("error looking up service account " + a.Namespace + "/" + name + ": serviceaccount " + strconv.Quote(name) +
			" not found")
	}
	return account, nil
}

// awaitAccount looks for an account until it is there, its time is over, or the client is gone.
// It returns nil when it gives up. Whoever waits holds no lock, and at most accountWait.
func (c *Chain) awaitAccount(ctx context.Context, namespace, name string) map[string]any {
	ctx, cancel := context.WithTimeout(ctx, accountWait)
	defer cancel()
	tick := time.NewTicker(accountPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if account := c.objects.Get("serviceaccounts", namespace, name); account != nil {
				return account
			}
		}
	}
}

// checkMirror refuses a mirror pod with an account or a secret.
// The kubelet that made it has no right to read on behalf of an account, and would be given one by way
// of the pod. Secrets are looked for everywhere in the spec, tokens only in projected volumes, the one
// place where they can stand.
func checkMirror(a api.Admission, spec map[string]any) error {
	if tree.Text(spec, "serviceAccountName") != "" {
		return a.Forbidden("a mirror pod may not reference service accounts")
	}
	if usesSecrets(spec) {
		return a.Forbidden("a mirror pod may not reference secrets")
	}
	for _, v := range tree.List(spec, "volumes") {
		for _, source := range tree.List(v, "projected", "sources") {
			if tree.At(source, "serviceAccountToken") != nil {
				return a.Forbidden("a mirror pod may not use ServiceAccountToken volume projections")
			}
		}
	}
	return nil
}

// automounts reports whether a pod gets a token: as it says, else as its account says, else it does.
func automounts(account, spec map[string]any) bool {
	for _, says := range [...]any{spec["automountServiceAccountToken"], account["automountServiceAccountToken"]} {
		if yes, ok := says.(bool); ok {
			return yes
		}
	}
	return true
}

// mountToken mounts the volume of the token in each container that mounts nothing there, and adds the
// volume if one needs it. A volume of such a name is taken for it.
//
//	volumes:      [{name: kube-api-access-x7k2p, projected: ...}]      added once
//	volumeMounts: [{name: kube-api-access-x7k2p, mountPath: /var/...}]  in each container
func mountToken(spec map[string]any) {
	name, has := "", false
	for _, v := range tree.List(spec, "volumes") {
		// A template that was copied from a running pod brings the volume along.
		if n := tree.Text(v, "name"); strings.HasPrefix(n, tokenVolume) {
			name, has = n, true
			break
		}
	}
	if !has {
		name = tokenVolume + suffix()
	}
	// Init containers come first, as upstream has them, so that a pod whose containers all mount
	// something there themselves gets no volume that nobody uses.
	needed := false
	for _, list := range [...]string{"initContainers", "containers"} {
		for _, container := range tree.List(spec, list) {
			mounts := tree.List(container, "volumeMounts")
			mounted := false
			for _, m := range mounts {
				// Whoever mounts something at that path wants it rather than the token.
				mounted = mounted || tree.Text(m, "mountPath") == tokenPath
			}
			if container := tree.Object(container); !mounted && container != nil {
				container["volumeMounts"] = append(mounts, map[string]any{"name": name, "readOnly": true, "mountPath": tokenPath})
				needed = true
			}
		}
	}
	if needed && !has {
		spec["volumes"] = append(tree.List(spec, "volumes"), tokenSource(name))
	}
}

// suffix returns five letters as those of generated names.
// They are the letters of names that end in random ones: no vowels, and nothing that is easily read as
// another.
func suffix() string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

// tokenSource returns the volume with a token, the CA and the namespace.
// Files in it are readable by all users of the container; the two sources beside the token are what a
// client needs to trust the server and to know where it is.
func tokenSource(name string) map[string]any {
	file := func(key string) map[string]any { return map[string]any{"key": key, "path": key} }
	field := map[string]any{"apiVersion": "v1", "fieldPath": "metadata.namespace"}
	return map[string]any{"name": name, "projected": map[string]any{"defaultMode": int64(0o644), "sources": []any{
		map[string]any{"serviceAccountToken": map[string]any{"expirationSeconds": tokenSeconds, "path": "token"}},
		map[string]any{"configMap": map[string]any{"name": "kube-root-ca.crt", "items": []any{file("ca.crt")}}},
		map[string]any{"downwardAPI": map[string]any{"items": []any{map[string]any{"path": "namespace", "fieldRef": field}}}},
	}}}
}

// enforcesSecrets reports whether the pods of an account may use only the secrets that it lists.
// The annotation says it with any text for true that Go reads as one; what is none is false.
func enforcesSecrets(account map[string]any) bool {
	on, _ := strconv.ParseBool(tree.Text(account, "metadata", "annotations", enforceNote))
	return on
}

// unreferenced says which secret of a pod its account does not list, "" for none.
// The order is upstream's: volumes, init containers, containers, secrets for pulling images; the first
// one found is the one that is told. Volumes count by the source secret alone, and not by projected
// ones.
func unreferenced(account, spec map[string]any) string {
	for _, v := range tree.List(spec, "volumes") {
		if name := tree.Text(v, "secret", "secretName"); tree.At(v, "secret") != nil && !lists(account, "secrets", name) {
			return fmt.Sprintf("volume with secret.secretName=%q is not allowed because service account %s does not reference that secret",
				name, tree.Name(account))
		}
	}
	if why := unreferencedIn(account, "init container", tree.List(spec, "initContainers")); why != "" {
		return why
	}
	if why := unreferencedIn(account, "container", tree.List(spec, "containers")); why != "" {
		return why
	}
	// Secrets for images have a list of their own in the account.
	for i, ref := range tree.List(spec, "imagePullSecrets") {
		if name := tree.Text(ref, "name"); !lists(account, "imagePullSecrets", name) {
			return fmt.Sprintf("imagePullSecrets[%d].name=%q is not allowed because service account %s "+
				"does not reference that imagePullSecret", i, name, tree.Name(account))
		}
	}
	return ""
}

// unreferencedIn says the same of the environment of containers of a sort.
// sort is what upstream calls them in the message. A reference that is there without a name is one to
// the secret "", which no account lists.
func unreferencedIn(account map[string]any, sort string, containers []any) string {
	for _, container := range containers {
		// One sentence for both ways in, which differ only in how the secret gets into the environment.
		say := func(how, name string) string {
			return fmt.Sprintf("%s %s with %s referencing secret.secretName=%q is not allowed because service account %s "+
				"does not reference that secret", sort, tree.Text(container, "name"), how, name, tree.Name(account))
		}
		for _, env := range tree.List(container, "env") {
			name := tree.Text(env, "valueFrom", "secretKeyRef", "name")
			if tree.At(env, "valueFrom", "secretKeyRef") != nil && !lists(account, "secrets", name) {
				return say("envVar "+tree.Text(env, "name"), name)
			}
		}
		for _, from := range tree.List(container, "envFrom") {
			name := tree.Text(from, "secretRef", "name")
			if tree.At(from, "secretRef") != nil && !lists(account, "secrets", name) {
				return say("envFrom", name)
			}
		}
	}
	return ""
}

// lists reports whether an account lists a name.
// field is which of its lists, whose entries are references by name. An account that is nil lists
// nothing.
func lists(account map[string]any, field, name string) bool {
	for _, ref := range tree.List(account, field) {
		if tree.Text(ref, "name") == name {
			return true
		}
	}
	return false
}

// usesSecrets reports whether a part of a pod's spec names a secret, wherever it may.
// It walks the whole tree rather than the types, for volumes of a dozen drivers have such references,
// each at its own place; the names of the fields are the same in all of them. An empty name is none.
func usesSecrets(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if usesSecrets(e) {
				return true
			}
		}
	case map[string]any:
		for key, inner := range v {
			switch key {
			// Volumes of secrets name theirs as a text, and so does Azure's.
			case "secretName":
				if inner != "" {
					return true
				}
			// All others have an object with a name in it.
			case "secret", "secretRef", "secretKeyRef", "nodePublishSecretRef":
				if tree.Text(inner, "name") != "" {
					return true
				}
			case "imagePullSecrets":
				for _, ref := range tree.List(v, key) {
					if tree.Text(ref, "name") != "" {
						return true
					}
				}
			}
			if usesSecrets(inner) {
				return true
			}
		}
	}
	return false
}
