package standin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"apichain/internal/client"
)

// mark is the key of /version that an etcd does not have. Its value says what a stand-in keeps.
const mark = "apichain"

// At asks who serves a client URL, http://HOST:PORT, and reports whether it is a stand-in. It waits
// 2 seconds at most. An error means that nobody has answered; whatever answers otherwise than a stand-in is none.
func At(ctx context.Context, address string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/version", nil)
	if err != nil {
		return false, err
	}
	_, body, err := client.Endpoint{Network: "tcp", Address: req.URL.Host}.Ask(ctx, req, 2*time.Second)
	if err != nil {
		return false, err
	}
	var says map[string]any
	// What is no JSON leaves the map empty: that is somebody else.
	_ = json.Unmarshal(body, &says)
	return says[mark] != nil, nil
}
