package embedded

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
)

// Key seals the values of one server, so that none stands in a state file in clear. It protects from
// an accidental look, not from someone who has the file: the key is in it.
type Key []byte

// NewKey makes a key.
func NewKey() Key {
	k := make(Key, 32)
	_, _ = rand.Read(k) // never fails
	return k
}

// Seal returns the value sealed.
func (k Key) Seal(value string) []byte {
	g := k.cipher()
	nonce := make([]byte, g.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return g.Seal(nonce, nonce, []byte(value), nil)
}

// Open returns the value again; nothing sealed is the empty text.
func (k Key) Open(sealed []byte) string {
	if len(sealed) == 0 {
		return ""
	}
	g := k.cipher()
	plain, err := g.Open(nil, sealed[:g.NonceSize()], sealed[g.NonceSize():], nil)
	if err != nil {
		panic(err) // the state belongs to another key
	}
	return string(plain)
}

func (k Key) cipher() cipher.AEAD {
	b, err := aes.NewCipher(k)
	if err != nil {
		panic(err) // a state without its key
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		panic(err)
	}
	return g
}
