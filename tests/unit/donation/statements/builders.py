"""Files as banks and platforms make them."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import openpyxl
import xlsxwriter

HEADER = ("交易流水号", "交易时间", "金额", "付款人", "附言")


def csv_of(
    rows: Iterable[Sequence[Any]],
    header: Sequence[str] = HEADER,
    encoding: str = "utf-8",
    delimiter: str = ",",
) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def xlsx_by_openpyxl(rows: Iterable[Sequence[Any]], header: Sequence[str] = HEADER) -> bytes:
    workbook = openpyxl.Workbook()
    workbook.active.append(list(header))
    for row in rows:
        workbook.active.append(list(row))
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def xlsx_by_xlsxwriter(rows: Iterable[Sequence[Any]], header: Sequence[str] = HEADER) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(
        content, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm"}
    ) as workbook:
        sheet = workbook.add_worksheet("明细")
        for number, row in enumerate([header, *rows]):
            sheet.write_row(number, 0, row)
    return content.getvalue()


def camt(entries: str, version: str = "02", statement: str = "") -> bytes:
    """A message with one statement around entries that a test writes by hand."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">
  <BkToCstmrStmt>
    <GrpHdr><MsgId>M1</MsgId><CreDtTm>2027-01-06T08:00:00+08:00</CreDtTm></GrpHdr>
    <Stmt>
      <Id>S1</Id><CreDtTm>2027-01-06T08:00:00+08:00</CreDtTm>
      <Acct><Id><Othr><Id>10550101040012345</Id></Othr></Id><Ccy>CNY</Ccy></Acct>
      {statement}{entries}
    </Stmt>
  </BkToCstmrStmt>
</Document>""".encode()


def entry_02(**changes: str) -> str:
    """A credit as version 02 has it: the status is a text, the payer's name stands in Dbtr itself."""
    return _entry("<Sts>{status}</Sts>", "<Dbtr><Nm>{payer}</Nm></Dbtr>", changes)


def entry_08(**changes: str) -> str:
    """The same as version 08 has it: a code in the status, a party around the payer's name."""
    return _entry("<Sts><Cd>{status}</Cd></Sts>", "<Dbtr><Pty><Nm>{payer}</Nm></Pty></Dbtr>", changes)


_ENTRY = (
    "<Ntry><Amt Ccy='{currency}'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{reversal}STATUS"
    "<BookgDt><Dt>{booked_on}</Dt></BookgDt><ValDt><Dt>{booked_on}</Dt></ValDt>"
    "<AcctSvcrRef>{reference}</AcctSvcrRef>"
    "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
    "<NtryDtls><TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs>"
    "<RltdPties>PAYER<DbtrAcct><Id><Othr><Id>6222000012345678</Id></Othr></Id></DbtrAcct></RltdPties>"
    "<RmtInf><Ustrd>{remittance}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
)


def _entry(status: str, payer: str, changes: dict[str, str]) -> str:
    values = {
        "currency": "CNY",
        "amount": "1000.00",
        "direction": "CRDT",
        "status": "BOOK",
        "reversal": "",
        "booked_on": "2027-01-05",
        "reference": "BOC20270105000001",
        "end_to_end_id": "NOTPROVIDED",
        "payer": "苏州工业园区某某公司",
        "remittance": "慈善晚会捐款",
    }
    return _ENTRY.replace("STATUS", status).replace("PAYER", payer).format(**(values | changes))
