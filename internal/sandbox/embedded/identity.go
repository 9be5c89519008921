package embedded

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"regexp"
	"strings"
	"time"
)

// Voucher stands for a CI platform that vouches for its runs: it signs who a run is, as a JWT, for an
// audience. An embedded backend that trusts it takes its word.
type Voucher struct{ key ed25519.PrivateKey }

// NewVoucher makes one with a key of its own.
func NewVoucher() Voucher {
	_, key, _ := ed25519.GenerateKey(rand.Reader) // never fails
	return Voucher{key}
}

// Mint is the identity of a run, with what it says of itself; it is good for five minutes.
func (v Voucher) Mint(audience string, says map[string]string) string {
	enc := base64.RawURLEncoding
	claims := map[string]any{"aud": audience, "nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	for name, value := range says {
		claims[name] = value
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err) // plain data always encodes
	}
	signed := enc.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + enc.EncodeToString(raw)
	return signed + "." + enc.EncodeToString(ed25519.Sign(v.key, []byte(signed)))
}

// Trust is what a run has to show to read one secret.
type Trust struct {
	Voucher  Voucher
	Audience string
	Claims   map[string]string // what the identity says; * stands for any text, ? for any character
	Reads    string            // in the words of the backend
}

// Takes reports whether the identity is one that is trusted.
func (t Trust) Takes(jwt string) bool {
	i := strings.LastIndex(jwt, ".")
	if i < 0 || t.Voucher.key == nil {
		return false
	}
	enc := base64.RawURLEncoding
	sign, err := enc.DecodeString(jwt[i+1:])
	if err != nil || !ed25519.Verify(t.Voucher.key.Public().(ed25519.PublicKey), []byte(jwt[:i]), sign) {
		return false
	}
	_, payload, _ := strings.Cut(jwt[:i], ".")
	raw, err := enc.DecodeString(payload)
	var says map[string]any
	if err != nil || json.Unmarshal(raw, &says) != nil {
		return false
	}
	for name, pattern := range t.Claims {
		value, there := says[name].(string)
		like := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		if !there || !regexp.MustCompile("^(?s:"+like+")$").MatchString(value) {
			return false
		}
	}
	end, _ := says["exp"].(float64)
	return len(t.Claims) > 0 && says["aud"] == t.Audience && time.Now().Before(time.Unix(int64(end), 0))
}

// Public is the public half of the key, as PEM.
func (v Voucher) Public() string {
	raw, err := x509.MarshalPKIXPublicKey(v.key.Public())
	if err != nil {
		panic(err) // it is a key
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw}))
}
