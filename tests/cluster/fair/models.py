from __future__ import annotations

from django.db import models


class Stall(models.Model):
    name = models.CharField(max_length=50)
    sold = models.IntegerField(default=0)


class Sale(models.Model):
    stall = models.ForeignKey(Stall, models.CASCADE)
    buyer = models.CharField(max_length=50, default="")
