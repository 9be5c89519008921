package httpx

import (
	"crypto/tls"
	"errors"
)

// Unreached says what to do about a request that got no answer of what it was sent to; of names that.
func Unreached(err error, of string) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "This computer does not know who vouches for " + of + ". Give the certificate of your proxy or server with --ca-file."
	}
	if _, ok := errors.AsType[*RedirectError](err); ok {
		return "Another address answers there than the one that was named. Check the address of " + of + ", and whether something was renamed."
	}
	return "Check the network, a proxy, and the address of " + of + ", then try again."
}
