"""cpu, by name: hashing passwords, and reading the certificates of all authorities.

Found by the call and what it computed, so on uvloop and on a busy machine, too.
"""

from __future__ import annotations

import hashlib
import ssl
import warnings

import httpx

from .case import blocks, harmless
from .libraries import library

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # passlib imports `crypt`, where there is one
    bcrypt, argon2, pwdlib = library("bcrypt"), library("argon2"), library("pwdlib")
    passlib = library("passlib.context") if library("passlib") else None
    pwdlib_bcrypt = library("pwdlib.hashers.bcrypt") if pwdlib and bcrypt else None

SALT, QUICK_SALT = b"$2b$10$abcdefghijklmnopqrstuu", b"$2b$04$abcdefghijklmnopqrstuu"
ARGON2 = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$"
DIGEST = "a" * 43


@blocks("cpu")
async def pbkdf2_of_hashlib():
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 600_000)  # <- here


@blocks("cpu")
async def scrypt_of_hashlib():
    hashlib.scrypt(b"password", salt=b"salt", n=2**14, r=8, p=1)  # <- here


@blocks("cpu", needs="bcrypt")
async def bcrypt_hashpw():
    bcrypt.hashpw(b"password", SALT)  # <- here


@blocks("cpu", needs="bcrypt")
async def bcrypt_checkpw():
    bcrypt.checkpw(b"password", SALT + b"a" * 31)  # <- here


@blocks("cpu", needs="bcrypt")
async def bcrypt_kdf():
    bcrypt.kdf(b"password", b"salt", 32, 100)  # <- here


@blocks("cpu", needs="argon2")
async def argon2_hash():
    argon2.PasswordHasher().hash("password")  # <- here


@blocks("cpu", needs="argon2")
async def argon2_verify():
    try:
        argon2.PasswordHasher().verify(ARGON2 + DIGEST, "password")  # <- here
    except argon2.exceptions.VerifyMismatchError:
        pass


@blocks("cpu", needs="argon2")
async def argon2_low_level():
    kind = argon2.low_level.Type.ID
    argon2.low_level.hash_secret(b"password", b"salt" * 4, 2, 19_456, 1, 32, kind)  # <- here


@blocks("cpu", needs="passlib")
async def passlib_hash_and_verify():
    context = passlib.CryptContext(["pbkdf2_sha256"], pbkdf2_sha256__rounds=600_000)
    hashed = context.hash("password")  # <- here
    assert context.verify("password", hashed)  # <- here


@blocks("cpu", needs="pwdlib")
async def pwdlib_hash_and_verify():
    hasher = pwdlib.PasswordHash([pwdlib_bcrypt.BcryptHasher(rounds=10)])
    hashed = hasher.hash("password")  # <- here
    assert hasher.verify("password", hashed)  # <- here


@blocks("cpu", needs="bcrypt")
async def in_a_helper_of_ones_own():
    def known(password):
        return bcrypt.checkpw(password, SALT + b"a" * 31)  # <- here

    known(b"password")


@blocks("cpu")
async def an_async_client_of_its_own():
    async with httpx.AsyncClient():  # <- here
        pass


@blocks("cpu")
async def the_default_context():
    ssl.create_default_context()  # <- here


@blocks("cpu", needs="certifi")
async def certificates_of_a_file():
    import certifi

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())  # <- here


@harmless
async def quick_hashes():
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1)
    hashlib.scrypt(b"password", salt=b"salt", n=2, r=8, p=1)


@harmless(needs="bcrypt")
async def bcrypt_with_the_work_factor_of_a_test():
    hashed = bcrypt.hashpw(b"password", QUICK_SALT)
    assert bcrypt.checkpw(b"password", hashed)


@harmless(needs="argon2")
async def argon2_with_the_work_factor_of_a_test():
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    assert hasher.verify(hasher.hash("password"), "password")


@harmless(needs="passlib")
async def passlib_with_the_work_factor_of_a_test():
    context = passlib.CryptContext(["pbkdf2_sha256"], pbkdf2_sha256__rounds=1)
    assert context.verify("password", context.hash("password"))


@harmless(needs="pwdlib")
async def pwdlib_with_the_work_factor_of_a_test():
    hasher = pwdlib.PasswordHash([pwdlib_bcrypt.BcryptHasher(rounds=4)])
    assert hasher.verify("password", hasher.hash("password"))


@harmless
async def a_client_without_certificates():
    shared = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(verify=shared), httpx.AsyncClient(verify=False):
        pass


@harmless
async def the_certificate_of_one_authority():
    shared = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    shared.load_verify_locations(cadata=ONE_CERTIFICATE)


def _one_certificate():
    import trustme

    return trustme.CA().cert_pem.bytes().decode()


ONE_CERTIFICATE = _one_certificate()
# The first one of a process also waits for what OpenSSL sets up: up to 5 ms, which is a finding.
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ONE_CERTIFICATE)
