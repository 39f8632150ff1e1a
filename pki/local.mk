noinst_LIBRARIES += libpki.a
libpki_a_SOURCES = \
	pki/openssl.c \
	pki/openssl.h \
	pki/pem.c \
	pki/pem.h \
	pki/key.c \
	pki/key.h \
	pki/cert.c \
	pki/cert.h \
	pki/ca.c \
	pki/ca.h \
	pki/csr-read.c \
	pki/csr.c \
	pki/csr.h \
	pki/pin.c \
	pki/pin.h \
	pki/hmac.c \
	pki/hmac.h \
	pki/profiles.c \
	pki/profiles.h \
	pki/renew.c \
	pki/renew.h
EXTRA_DIST += pki/README
