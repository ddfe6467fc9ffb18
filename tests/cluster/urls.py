from __future__ import annotations

from django.urls import path

from tests.cluster import views

urlpatterns = [
    path("stalls/<int:pk>/", views.stall),
    path("stalls/<int:pk>/page/", views.page),
    path("stalls/<int:pk>/sell/", views.sell),
    path("stalls/<int:pk>/asell/", views.asell),
    path("stalls/<int:pk>/fail-after-selling/", views.fail_after_selling),
    path("stalls/<int:pk>/a/", views.astall),
    path("scope/", views.ascope),
    path("mixed/", views.amixed),
    path("missed/", views.amissed),
    path("streamed/", views.astreamed),
    path("sockets/", views.sockets),
]
