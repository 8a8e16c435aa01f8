"""database: SQLite at each step, and SQLAlchemy above it."""

from __future__ import annotations

import contextlib
import sqlite3

from .case import blocks
from .resources import HOLD


@blocks("database")
async def connect(database):
    sqlite3.connect(database).close()  # <- here


@blocks("database")
async def execute(connection):
    connection.execute("insert into t values (4)")  # <- here


@blocks("database")
async def executemany(connection):
    connection.executemany("insert into t values (?)", [(4,), (5,)])  # <- here


@blocks("database")
async def executescript(connection):
    connection.executescript("delete from t; vacuum")  # <- here


@blocks("database")
async def cursor_execute(connection):
    cursor = connection.cursor()
    cursor.execute("select 1")  # <- here


@blocks("database")
async def fetchone(rows):
    rows.fetchone()  # <- here


@blocks("database")
async def fetchmany(rows):
    rows.fetchmany(2)  # <- here


@blocks("database")
async def fetchall(rows):
    rows.fetchall()  # <- here


@blocks("database")
async def each_row(rows):
    for row in rows:  # <- here
        assert row


@blocks("database")
async def a_list_of_rows(rows):
    list(rows)  # <- here


@blocks("database")
async def commit(connection):
    connection.commit()  # <- here


@blocks("database")
async def rollback(connection):
    connection.rollback()  # <- here


@blocks("database")
async def a_transaction(connection):
    with connection:
        connection.execute("insert into t values (4)")  # <- here


@blocks("database")
async def backup(connection):
    with contextlib.closing(sqlite3.connect(":memory:")) as copy:  # <- here
        connection.backup(copy)  # <- here


@blocks("database")
async def a_locked_table(database):
    with contextlib.closing(sqlite3.connect(database, timeout=HOLD)) as other:  # <- here
        with contextlib.closing(sqlite3.connect(database)) as owner:  # <- here
            owner.execute("begin exclusive")  # <- here
            with contextlib.suppress(sqlite3.OperationalError):
                other.execute("insert into t values (4)")  # <- here


@blocks("database", needs="sqlalchemy")
async def sqlalchemy_core(engine):
    with engine.connect() as connection:  # <- here
        connection.exec_driver_sql("select a from t").all()  # <- here


@blocks("database", needs="sqlalchemy")
async def sqlalchemy_session(engine):
    from sqlalchemy import text
    from sqlalchemy.orm import Session

    with Session(engine) as session:
        session.execute(text("select a from t")).all()  # <- here
        session.commit()  # <- here
