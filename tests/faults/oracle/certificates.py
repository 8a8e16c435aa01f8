"""Certificates that trustme does not make: signed by themselves, valid only later."""

import datetime

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def made(host, authority=None, *, days=-1):
    """One for an IP address, signed by itself or an authority, valid in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    issuer, signs = name, key
    if authority is not None:
        found = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
        issuer = found.subject
        signs = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    begin = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    address = x509.IPAddress(__import__("ipaddress").ip_address(host))
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
    )
    if authority is not None:
        ski = found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski)
        builder = builder.add_extension(identifier, critical=False)
    certificate = builder.sign(signs, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    return trustme.LeafCert(private, public, [])
