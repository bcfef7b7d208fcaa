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
	defaultAccount = "default"
	tokenVolume    = "kube-api-access-"
	tokenPath      = "/var/run/secrets/kubernetes.io/serviceaccount"
	// tokenSeconds is how long a token is good that is renewed before.
	tokenSeconds = int64(3607)
	mirrorNote   = "kubernetes.io/config.mirror"
	enforceNote  = "kubernetes.io/enforce-mountable-secrets"
)

// accountWait bounds how long the account default is waited for, and accountPoll is the time between
// two looks: upstream gives up after one to two seconds.
const (
	accountWait = time.Second
	accountPoll = 10 * time.Millisecond
)

// setAccount is the mutating act of ServiceAccount.
func (c *Chain) setAccount(ctx context.Context, a api.Admission) error {
	if isMirror(a.Object) {
		return c.checkAccount(ctx, a)
	}
	spec := specOf(a.Object)
	if tree.Text(spec, "serviceAccountName") == "" {
		spec["serviceAccountName"], spec["serviceAccount"] = defaultAccount, defaultAccount
	}
	account, err := c.account(ctx, a)
	if err != nil {
		return err
	}
	if automounts(account, spec) {
		mountToken(spec)
	}
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
func (c *Chain) checkAccount(ctx context.Context, a api.Admission) error {
	spec := specOf(a.Object)
	if isMirror(a.Object) {
		return checkMirror(a, spec)
	}
	account, err := c.account(ctx, a)
	if err != nil || !enforcesSecrets(account) {
		return err
	}
	if why := unreferenced(account, spec); why != "" {
		return forbidden(a, why)
	}
	return nil
}

// checkEphemeral is its validating act on the ephemeral containers of a pod.
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

func isMirror(pod map[string]any) bool {
	_, is := tree.Object(pod, "metadata", "annotations")[mirrorNote]
	return is
}

// account returns the account of a pod, or the 403 without one.
func (c *Chain) account(ctx context.Context, a api.Admission) (map[string]any, error) {
	name := tree.Text(a.Object, "spec", "serviceAccountName")
	if name == "" {
		return nil, forbidden(a, "no service account specified for pod "+a.Namespace+"/"+tree.Name(a.Object))
	}
	account := c.objects.Get("serviceaccounts", a.Namespace, name)
	if account == nil && name == defaultAccount {
		account = c.awaitAccount(ctx, a.Namespace, name)
	}
	if account == nil {
		return nil, forbidden(a, "error looking up service account "+a.Namespace+"/"+name+": serviceaccount "+strconv.Quote(name)+" not found")
	}
	return account, nil
}

// awaitAccount looks for an account until it is there, its time is over, or the client is gone.
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
func checkMirror(a api.Admission, spec map[string]any) error {
	if tree.Text(spec, "serviceAccountName") != "" {
		return forbidden(a, "a mirror pod may not reference service accounts")
	}
	if usesSecrets(spec) {
		return forbidden(a, "a mirror pod may not reference secrets")
	}
	for _, v := range tree.List(spec, "volumes") {
		for _, source := range tree.List(v, "projected", "sources") {
			if tree.At(source, "serviceAccountToken") != nil {
				return forbidden(a, "a mirror pod may not use ServiceAccountToken volume projections")
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
func mountToken(spec map[string]any) {
	name, has := "", false
	for _, v := range tree.List(spec, "volumes") {
		if n := tree.Text(v, "name"); strings.HasPrefix(n, tokenVolume) {
			name, has = n, true
			break
		}
	}
	if !has {
		name = tokenVolume + suffix()
	}
	needed := false
	for _, list := range [...]string{"initContainers", "containers"} {
		for _, container := range tree.List(spec, list) {
			mounts := tree.List(container, "volumeMounts")
			mounted := false
			for _, m := range mounts {
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
func suffix() string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

// tokenSource returns the volume with a token, the CA and the namespace.
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
func enforcesSecrets(account map[string]any) bool {
	on, _ := strconv.ParseBool(tree.Text(account, "metadata", "annotations", enforceNote))
	return on
}

// unreferenced says which secret of a pod its account does not list, "" for none.
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
	for i, ref := range tree.List(spec, "imagePullSecrets") {
		if name := tree.Text(ref, "name"); !lists(account, "imagePullSecrets", name) {
			return fmt.Sprintf("imagePullSecrets[%d].name=%q is not allowed because service account %s does not reference that imagePullSecret",
				i, name, tree.Name(account))
		}
	}
	return ""
}

// unreferencedIn says the same of the environment of containers of a sort.
func unreferencedIn(account map[string]any, sort string, containers []any) string {
	for _, container := range containers {
		say := func(how, name string) string {
			return fmt.Sprintf("%s %s with %s referencing secret.secretName=%q is not allowed because service account %s does not reference that secret",
				sort, tree.Text(container, "name"), how, name, tree.Name(account))
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
func lists(account map[string]any, field, name string) bool {
	for _, ref := range tree.List(account, field) {
		if tree.Text(ref, "name") == name {
			return true
		}
	}
	return false
}

// usesSecrets reports whether a part of a pod's spec names a secret, wherever it may.
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
			case "secretName":
				if inner != "" {
					return true
				}
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
