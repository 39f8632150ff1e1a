check_PROGRAMS += tests/unit/test-pki
TESTS += tests/unit/test-pki
tests_unit_test_pki_SOURCES = \
	tests/unit/test-pki.c \
	tests/unit/test-pki.h \
	tests/unit/test-pki-key.c \
	tests/unit/test-pki-hmac.c \
	tests/unit/test-pki-cert.c \
	tests/unit/test-pki-ca.c \
	tests/unit/made-csr.c tests/unit/made-csr.h \
	tests/unit/test-pki-csr.c \
	tests/unit/test-pki-pin.c \
	tests/unit/test-pki-profiles.c
tests_unit_test_pki_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pki_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_pki_LDADD = libpki.a libcommon.a $(CHECK_LIBS) $(DEPS_LIBS)

EXTRA_DIST += \
	tests/unit/pki/ec-encrypted-traditional.key \
	tests/unit/pki/ec-encrypted.key \
	tests/unit/pki/ec-pkcs8.key \
	tests/unit/pki/ec-with-parameters.key \
	tests/unit/pki/ec.pub \
	tests/unit/pki/ed25519.crt \
	tests/unit/pki/ed25519.key \
	tests/unit/pki/nul-in-name.crt \
	tests/unit/pki/other-curve.key \
	tests/unit/pki/rsa-pkcs1.pub \
	tests/unit/pki/rsa.key \
	tests/unit/pki/v1.crt \
	tests/unit/pki/weak-rsa.key \
	tests/unit/pki/weak.crt \
	tests/unit/pki/wrong-signature.csr
