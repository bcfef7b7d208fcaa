package storage

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestByHand(t *testing.T) {
	in, out := os.Getenv("HAND_IN"), os.Getenv("HAND_OUT")
	if in == "" {
		t.Skip()
	}
	c := New(table(t), Options{Protobuf: os.Getenv("HAND_PROTO") != ""})
	b, _ := os.ReadFile(in)
	var all [][]string
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	var res [][]string
	for pass := range 2 {
		for _, kv := range all {
			bucket, key, ok := c.Place(strings.TrimPrefix(kv[0], "/registry"))
			if (bucket == definitions) != (pass == 0) {
				continue
			}
			if !ok {
				t.Log("no place", kv[0])
				continue
			}
			v, _ := base64.StdEncoding.DecodeString(kv[1])
			d, err := c.Decode(bucket, key, v)
			if err != nil {
				t.Error(kv[0], err)
				continue
			}
			v, err = c.Encode(bucket, key, &d)
			if err != nil {
				t.Error(kv[0], err)
				continue
			}
			res = append(res, []string{kv[0], base64.StdEncoding.EncodeToString(v), kv[2]})
		}
	}
	b, _ = json.Marshal(res)
	os.WriteFile(out, b, 0o644)
	t.Log(len(res))
}
